import Cryptography
package import Envelope
package import JSON
import System
import YAML

/// A recipient file: the public half of a KMS key, which is committed, so that anyone can wrap for the key offline. A user
/// who replaces the key can read what is wrapped with it, so the file is reviewed as code, and pinned (`KnownRecipients`).
package enum RecipientFile {
    private static let maximumBytes = 64 * 1024
    private static let fields = ["version", "keyID", "keyVersion", "algorithm", "fingerprint", "publicKey"]

    /// Reads a file.
    ///
    /// - Throws: `InputError` with the line if the file has another form than `text(of:)`, or its fingerprint is not that of its
    ///   key.
    package static func read(_ path: String) throws(InputError) -> RecipientKey {
        let contents: SecretBytes
        do throws(FileError) {
            contents = try SecretBytes(contentsOfFile: path, limit: maximumBytes)
        } catch {
            throw InputError(unreadable: path, error.reason)
        }
        return try parse(contents, source: ManifestFile.displayName(path))
    }

    static func parse(_ contents: borrowing SecretBytes, source: String) throws(InputError) -> RecipientKey {
        let documents = try ManifestFile.documents(in: contents, source: source)
        guard documents.count == 1, let node = documents.first, let entries = node.entries else {
            throw InputError(source, "is not one document with the fields \(fields.joined(separator: ", "))")
        }
        try ManifestFields.rejectUnknownFields(entries, of: "a recipient file", known: fields, source)
        let file = Fields(node: node, source: source)
        let version = try file.text("version")
        guard version.text.utf8.elementsEqual("1".utf8) else {
            throw InputError(
                version.location,
                "version is \(quoted(version.text)); this version of secrets-bridge reads recipient files of version 1"
            )
        }
        let algorithm = try file.text("algorithm")
        guard RecipientAlgorithm(exactly: algorithm.text) == .rsaOAEP256 else {
            throw InputError(
                algorithm.location,
                "algorithm is \(quoted(algorithm.text)); \(RecipientAlgorithm.rsaOAEP256.rawValue) is expected"
            )
        }
        let keyID = try file.text("keyID")
        guard KeySelector.isAsymmetricKeyID(keyID.text) else {
            throw InputError(
                keyID.location,
                "keyID is not the id of a key of vault-transit, AWS KMS (the key's ARN), or of a version of a key of gcp-kms "
                    + "or azure-key-vault")
        }
        let key = try recipientKey(file, keyID)
        let fingerprint = try file.text("fingerprint")
        guard fingerprint.text.utf8.elementsEqual(key.fingerprint.utf8) else {
            throw InputError(
                fingerprint.location,
                "fingerprint is not that of publicKey (\(key.fingerprint)): one of the two was changed; export the file again"
            )
        }
        return key
    }

    private static func recipientKey(
        _ file: Fields, _ keyID: Fields.Value
    ) throws(InputError) -> RecipientKey {
        let pem = try file.text("publicKey")
        let publicKey: RSAPublicKey
        do throws(RSAPublicKey.ReadingError) {
            publicKey = try RSAPublicKey(pem: pem.text)
        } catch {
            throw InputError(pem.location, "publicKey \(error.problem)")
        }
        let keyVersion = file.node["keyVersion"] == nil ? nil : try file.text("keyVersion")
        do throws(EnvelopeError) {
            return try RecipientKey(keyID: keyID.text, keyVersion: keyVersion?.text, publicKey: publicKey)
        } catch {
            guard case .invalid(let field, let problem) = error, field != "keyVersion" else {
                throw InputError((keyVersion ?? keyID).location, error.description)
            }
            throw InputError(keyID.location, "keyID \(problem)")
        }
    }

    /// Returns the text of the file for a key.
    package static func text(of key: RecipientKey) -> String {
        let version = key.keyVersion.map { "keyVersion: \"\($0)\"\n" } ?? ""
        let pem = key.publicKey.pem.split(separator: "\n").map { "  \($0)\n" }.joined()
        return """
            # Wraps data keys offline: secrets-bridge wrap --recipient FILE. The owner of the private key can read the values:
            # review changes as code, and compare the fingerprint with that of the key in the KMS.
            version: 1
            keyID: "\(key.keyID)"
            \(version)algorithm: \(key.algorithm.rawValue)
            fingerprint: \(key.fingerprint)
            publicKey: |
            \(pem)
            """
    }
}

extension RecipientFile {
    /// Describes the key of a file for users.
    package static func lines(of key: RecipientKey, _ source: String) -> [String] {
        var table = TextTable(["  key", key.keyID])
        if let version = key.keyVersion { table.add(["  version", version]) }
        table.add(["  algorithm", "\(key.algorithm.rawValue), RSA of \(key.publicKey.byteCount * 8) bits"])
        table.add(["  fingerprint", key.fingerprint])
        return [source] + table.lines
    }

    package static func value(of key: RecipientKey) -> JSONValue {
        .object(
            keyFields(key.keyID, version: key.keyVersion, algorithm: key.algorithm.rawValue) + [
                ("bits", .int(key.publicKey.byteCount * 8)), ("fingerprint", .string(key.fingerprint)),
            ])
    }
}

/// The scalar fields of a recipient file.
private struct Fields {
    struct Value {
        let text: String
        /// The place of the field: `file:line:column`.
        let location: String
    }

    let node: YAMLNode
    let source: String

    /// Returns a field that must be a string or a number.
    func text(_ name: String) throws(InputError) -> Value {
        guard let value = node[name] else {
            throw InputError(node.range.location(in: source), "\(name) is missing; export the file again")
        }
        let location = value.range.location(in: source)
        guard let text = value.string ?? value.int.map({ "\($0)" }) else {
            throw InputError(location, "\(name) is \(value.typeName); a string is expected")
        }
        return Value(text: text, location: location)
    }
}

extension RSAPublicKey.ReadingError {
    /// Completes a sentence whose subject is the key.
    var problem: String {
        switch self {
        case .notOnePEMBlock:
            "is not one PEM block, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----"
        case .notAPublicKey: "is truncated, or damaged in another way"
        case .notCanonical: "is not in the canonical form of DER; export the file again"
        case .notRSA: "is not an RSA key"
        case .unsupportedSize(let bits): "has \(bits) bits; RSA keys of 3072 or 4096 bits are supported"
        case .unsupportedExponent: "has another exponent than 65537"
        case .invalidModulus: "has a modulus that no RSA key has"
        }
    }
}
