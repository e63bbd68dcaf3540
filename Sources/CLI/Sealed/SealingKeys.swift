import Cryptography
import Envelope

/// The private keys of a sealed-secrets controller, from files in PEM, or from manifests of the Secrets in which the
/// controller keeps them.
package struct SealingKeys: Sendable {
    /// The command that prints such manifests.
    static let exportCommand =
        "kubectl get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml"
    private static let entry = "tls.key"

    private(set) var keys: [RSAPrivateKey] = []
    /// Notes on keys that were left out, one line each.
    package private(set) var notes: [String] = []

    /// Reads the keys of files. The path `-` is standard input.
    ///
    /// - Throws: `InputError` if a file cannot be read, contains no RSA private key, or contains an encrypted one.
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
            // A manifest may properly indent the key, so the error is another one.
            let isManifest = ManifestFile.mentions("apiVersion", in: file)
            if !isManifest, let form = SealingKeyPEM.formatProblem(of: file) {
                throw InputError(source, form)
            }
            throw InputError("\(error); --sealing-key also takes PEM, and the output of \(exportCommand)")
        }
        var found: [SealingKeyPEM] = []
        for secret in secrets {
            guard let value = secret.entries.first(where: { $0.name == entry })?.value else { continue }
            found.append(try SealingKeyPEM(value, "\(secret.source): Secret \(secret.name): \(entry)"))
        }
        guard !found.isEmpty else {
            throw InputError(
                source,
                "none of its Secrets has the entry \(entry); export the keys with \(exportCommand)")
        }
        return found
    }
}

/// The private keys in a PEM text.
struct SealingKeyPEM {
    let source: String
    private(set) var keys: [RSAPrivateKey] = []
    /// True if a private key is not RSA, and so not one of sealed-secrets.
    private(set) var hasNonRSAKey = false

    /// - Throws: `InputError` if the text is not PEM, is damaged, contains no private key, or contains an encrypted
    ///   one.
    init(_ text: SharedSecret, _ source: String) throws(InputError) {
        self.source = source
        let blocks = try Self.blocks(in: text, source)
        for block in blocks where block.label.hasSuffix("PRIVATE KEY") { try add(block) }
        guard keys.isEmpty, !hasNonRSAKey else { return }
        if blocks.isEmpty, let problem = Self.formatProblem(of: text) { throw InputError(source, problem) }
        let found = blocks.first.map { "contains \(quoted($0.label)), but" } ?? "is not PEM, and has"
        throw InputError(
            source, "\(found) no private key; export the keys with \(SealingKeys.exportCommand)")
    }

    /// Returns the problem of a text that looks like a key and is not PEM, or nil if it does not look like a key.
    static func formatProblem(of text: SharedSecret) -> String? {
        if ManifestFile.mentions("-----BEGIN ", in: text) {
            return
                "-----BEGIN is not at the start of a line; PEM is expected as openssl writes it, not indented, and "
                + "with line breaks, not \\n"
        }
        // A SEQUENCE with a length of more than one byte (X.690, 8.1.3.5), with which no text begins.
        let isDER = text.bytes.withUnsafeBytes { $0.count > 1 && $0[0] == 0x30 && $0[1] & 0x80 != 0 }
        return isDER
            ? "is binary, as keys in DER are; convert it to PEM with openssl pkey -inform der -in FILE"
            : nil
    }

    private static func blocks(in text: SharedSecret, _ source: String) throws(InputError) -> [PEM.Block] {
        do throws(PEM.DecodingError) {
            return try PEM.blocks(in: text.bytes)
        } catch {
            switch error {
            case .missingEndLine(let label):
                throw InputError(source, "the block \(quoted(label)) has no end; is the file complete?")
            case .invalidBase64(let label):
                throw InputError(
                    source, "the block \(quoted(label)) is not valid base64; is the file complete?")
            }
        }
    }

    private mutating func add(_ block: PEM.Block) throws(InputError) {
        guard !block.isEncrypted else {
            throw InputError(
                source,
                "the private key is encrypted; decrypt it first: openssl pkey -in FILE | secrets-bridge import "
                    + "--sealing-key - …")
        }
        do throws(RSAPrivateKey.ReadingError) {
            keys.append(try RSAPrivateKey(der: block.contents.bytes))
        } catch {
            switch error {
            case .notAPrivateKey:
                throw InputError(
                    source, "the block \(quoted(block.label)) is not a private key, or is damaged")
            case .notRSA:
                hasNonRSAKey = true
            }
        }
    }
}
