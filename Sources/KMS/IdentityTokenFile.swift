import Cryptography
import Envelope
import Settings
import System

/// An identity token in a file that the platform replaces, such as the projected token of a service account. The file is
/// read each time.
struct IdentityTokenFile: IdentityTokenSource {
    let path: String
    /// The content of the file, for messages: `the service account's token`.
    let name: String
    /// The setting that names the file. A message names it instead of a path that may be the token itself.
    var setting: String?

    func token() async throws(IdentityTokenError) -> SharedSecret { try read() }

    /// - Throws: `.misconfigured` if the file cannot be read or holds no single word of visible ASCII.
    func read() throws(IdentityTokenError) -> SharedSecret {
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: 64 * 1024)
        } catch {
            let place =
                PathRedaction.printablePath(path) == nil ? setting.map { " from the file of \($0)" } : nil
            throw IdentityTokenError(
                .misconfigured, "\(name) cannot be read\(place ?? ""): \(error.redactedDescription)")
        }
        guard let token = HeaderValue.visibleASCII(content) else {
            throw IdentityTokenError(
                .misconfigured, "\(path) does not hold \(name): one line of visible ASCII is expected")
        }
        return token
    }
}
