import Primitives

/// Small files that hold a token, a JWT or a secret id: visible ASCII, white space around it cut off.
enum VaultSecretFile {
    /// Errors: `.misconfigured`, naming the file and what it is for.
    static func read(_ path: String, purpose: String) throws(VaultError) -> SharedSecret {
        let content: SecretBytes
        do {
            content = try SecretBytes(contentsOfFile: path, limit: 64 * 1024)
        } catch {
            throw VaultError(.misconfigured, "\(purpose) cannot be read: \(error)")
        }
        guard let secret = HeaderText.word(content) else {
            throw VaultError(
                .misconfigured, "\(path) does not hold \(purpose): one line of visible ASCII is expected")
        }
        return secret
    }
}
