import Envelope
import Primitives

/// Private keys of a sealed-secrets controller, out of files: PEM, or the Secrets that the controller keeps them in, as
/// kubectl writes them.
package struct SealingKeys: Sendable {
    /// How to come by such a file.
    static let backup =
        "kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml"
    private static let entry = "tls.key"

    let keys: [RSAPrivateKey]

    /// `-` is standard input.
    ///
    /// Errors: a file cannot be read, has no private key, or one that is encrypted or not RSA.
    package init(reading paths: [String]) throws(InputError) {
        var keys: [RSAPrivateKey] = []
        for path in paths {
            keys += try Self.keys(in: try ManifestFile.contents(of: path), source: ManifestFile.name(path))
        }
        self.keys = keys
    }

    init(_ keys: [RSAPrivateKey]) { self.keys = keys }

    static func keys(in file: SharedSecret, source: String) throws(InputError) -> [RSAPrivateKey] {
        if PEM.isIn(file.bytes) { return try keys(inPEM: file, source) }
        var keys: [RSAPrivateKey] = []
        let secrets: [SecretInput]
        do throws(InputError) {
            secrets = try SecretManifestReader.secrets(in: file.bytes, source: source)
        } catch {
            throw InputError("\(error); --sealing-key takes PEM too, and what this prints: \(backup)")
        }
        for secret in secrets {
            guard let value = secret.entries.first(where: { $0.name == entry })?.value else { continue }
            keys += try self.keys(inPEM: value, "\(secret.source): Secret \(secret.name): \(entry)")
        }
        guard !keys.isEmpty else {
            throw InputError(
                source, "no Secret in it has the entry \(entry); the keys are what this prints: \(backup)")
        }
        return keys
    }

    private static func keys(inPEM text: SharedSecret, _ source: String) throws(InputError) -> [RSAPrivateKey]
    {
        let blocks: [PEM.Block]
        do throws(PEM.Failure) {
            blocks = try PEM.blocks(in: text.bytes)
        } catch {
            switch error {
            case .unfinished(let label):
                throw InputError(source, "the block \(shown(label)) has no end; is the file whole?")
            case .notBase64(let label):
                throw InputError(source, "the block \(shown(label)) is not valid base64; is the file whole?")
            }
        }
        var keys: [RSAPrivateKey] = []
        for block in blocks where block.label.hasSuffix("PRIVATE KEY") { keys.append(try key(block, source)) }
        guard !keys.isEmpty else {
            let found = blocks.first.map { "\(shown($0.label)) is in it, and" } ?? "it is no PEM, and has"
            throw InputError(
                source, "\(found) no private key; that is in what this prints: \(backup)")
        }
        return keys
    }

    private static func key(_ block: PEM.Block, _ source: String) throws(InputError) -> RSAPrivateKey {
        guard !block.isEncrypted else {
            throw InputError(
                source,
                "the private key is encrypted; decrypt it on the way: openssl pkey -in FILE | secrets-bridge import "
                    + "--sealing-key - …")
        }
        do throws(RSAPrivateKey.ReadingError) {
            return try RSAPrivateKey(der: block.contents.bytes)
        } catch {
            switch error {
            case .notAKey:
                throw InputError(source, "the block \(shown(block.label)) is no private key, or damaged")
            case .notRSA:
                throw InputError(
                    source,
                    "the private key is not RSA, which is what sealed-secrets uses; is it the right file?")
            }
        }
    }
}
