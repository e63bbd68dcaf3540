import Cryptography
import System

/// Small files that hold a token, a JWT or a secret id: visible ASCII, white space around it cut off.
enum VaultSecretFile {
    /// Errors: `.misconfigured`, naming the file and what it is for.
    ///
    /// `variable`: what names the file. It alone is shown where its value may be the secret itself.
    static func read(
        _ path: String, purpose: String, variable: String? = nil
    ) throws(VaultError) -> SharedSecret {
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: 64 * 1024)
        } catch {
            let place =
                PathRedaction.printablePath(path) == nil ? variable.map { " from the file of \($0)" } : nil
            throw VaultError(
                .misconfigured, "\(purpose) cannot be read\(place ?? ""): \(error.redactedDescription)")
        }
        guard let secret = HeaderValue.visibleASCII(content) else {
            throw VaultError(
                .misconfigured, "\(path) does not hold \(purpose): one line of visible ASCII is expected")
        }
        return secret
    }
}
