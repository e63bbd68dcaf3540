import Cryptography
import Envelope

/// Private keys of a sealed-secrets controller, out of files: PEM, or the Secrets that the controller keeps them in, as
/// kubectl writes them.
package struct SealingKeys: Sendable {
    /// How to come by such a file.
    static let exportCommand =
        "kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml"
    private static let entry = "tls.key"

    private(set) var keys: [RSAPrivateKey] = []
    /// Keys that were left out, one line each.
    package private(set) var notes: [String] = []

    /// `-` is standard input.
    ///
    /// Errors: a file cannot be read, has no private key, or one that is encrypted or not RSA.
    package init(reading paths: [String]) throws(InputError) {
        for path in paths {
            try read(try ManifestFile.contents(of: path), source: ManifestFile.displayName(path))
        }
    }

    init(in file: SharedSecret, source: String) throws(InputError) { try read(file, source: source) }

    init(_ keys: [RSAPrivateKey]) { self.keys = keys }

    private mutating func read(_ file: SharedSecret, source: String) throws(InputError) {
        let found =
            PEM.containsBlock(file.bytes)
            ? [try SealingKeyPEM(file, source)] : try Self.secrets(in: file, source)
        let others = found.filter(\.hasNonRSAKey).map {
            InputError($0.source, "a private key is not RSA, which is what sealed-secrets uses")
        }
        let keys = found.flatMap(\.keys)
        if keys.isEmpty, let other = others.first { throw InputError("\(other); is it the right file?") }
        self.keys += keys
        notes += others.map { "\($0); it was left out" }
    }

    private static func secrets(
        in file: SharedSecret, _ source: String
    ) throws(InputError) -> [SealingKeyPEM] {
        let secrets: [SecretInput]
        do throws(InputError) {
            secrets = try SecretManifestReader.secrets(in: file.bytes, source: source)
        } catch {
            // In a manifest a key may be indented, and is not what is wrong.
            let isManifest = ManifestFile.mentions("apiVersion", in: file)
            if !isManifest, let form = SealingKeyPEM.formatProblem(of: file) {
                throw InputError(source, form)
            }
            throw InputError("\(error); --sealing-key takes PEM too, and what this prints: \(exportCommand)")
        }
        var found: [SealingKeyPEM] = []
        for secret in secrets {
            guard let value = secret.entries.first(where: { $0.name == entry })?.value else { continue }
            found.append(try SealingKeyPEM(value, "\(secret.source): Secret \(secret.name): \(entry)"))
        }
        guard !found.isEmpty else {
            throw InputError(
                source,
                "no Secret in it has the entry \(entry); the keys are what this prints: \(exportCommand)")
        }
        return found
    }
}
