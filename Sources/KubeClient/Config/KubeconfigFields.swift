import Cryptography
import HTTP
import YAML

/// Reads the fields of one mapping of a kubeconfig. Errors name the file, the position and the field. As in kubectl, null
/// and the empty string mean that a field is not set.
struct KubeconfigFields {
    let node: YAMLNode
    /// The file that contains the mapping.
    let file: String
    /// The path of the mapping in the file: `users["admin"].user`.
    let path: String

    func qualifiedName(_ field: String) -> String { "\(path.isEmpty ? "" : path + ".")\(field)" }

    func error(_ code: ConfigurationError.Code, _ field: String, _ problem: String) -> ConfigurationError {
        ConfigurationError(code, "\(location(field)) \(problem)")
    }

    /// Returns the position and the name of a field: `FILE:6:33: users["u"].user.token`.
    func location(_ field: String) -> String {
        "\((node[field] ?? node).range.location(in: file)): \(qualifiedName(field))"
    }

    private func value(_ field: String) -> YAMLNode? {
        node[field].flatMap { $0.isNull || $0.scalar?.bytes.count == 0 ? nil : $0 }
    }

    private func mismatch(_ field: String, _ expected: String) -> ConfigurationError {
        let found = node[field]?.typeName ?? "nothing"
        let remedy = node[field]?.scalar != nil && expected == "a string" ? "; put it in quotes" : ""
        return error(.invalid, field, "is \(found), expected \(expected)\(remedy)")
    }

    /// Reads a string that is not secret.
    func string(_ field: String) throws(ConfigurationError) -> String? {
        guard let value = value(field) else { return nil }
        guard let text = value.string else { throw mismatch(field, "a string") }
        return text
    }

    func required(_ field: String) throws(ConfigurationError) -> String {
        guard let text = try string(field) else { throw error(.invalid, field, "is missing; add it") }
        return text
    }

    func secret(_ field: String) throws(ConfigurationError) -> SharedSecret? {
        guard let value = value(field) else { return nil }
        guard let scalar = value.scalar, scalar.valueType == .string else {
            throw mismatch(field, "a string")
        }
        return scalar.bytes
    }

    func bool(_ field: String) throws(ConfigurationError) -> Bool {
        guard let value = value(field) else { return false }
        guard let bool = value.bool else { throw mismatch(field, "true or false") }
        return bool
    }

    /// Decodes a `-data` field, whose base64 may contain line breaks, as Go accepts it.
    func data(_ field: String) throws(ConfigurationError) -> SharedSecret? {
        guard let text = try secret(field) else { return nil }
        do throws(Base64.DecodingError) {
            return SharedSecret(try Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks))
        } catch {
            guard !PEM.containsBlock(text.bytes) else {
                throw self.error(
                    .invalid, field,
                    "is PEM, but its base64 is expected (base64 -w0 FILE); the field without -data takes the path of a "
                        + "PEM file")
            }
            let hasSpace = text.bytes.withUnsafeBytes { $0.contains(UInt8(ascii: " ")) }
            throw self.error(
                .invalid, field,
                hasSpace
                    ? "is not base64: it contains spaces, as a folded block (>) leaves them; write it on one line, or as a "
                        + "literal block (|)" : "is not base64, padded with =")
        }
    }

    /// Returns the content of FIELD-data, or else of the file that FIELD names.
    func content(_ field: String) throws(ConfigurationError) -> SharedSecret? {
        if let data = try data("\(field)-data") { return data }
        guard let text = try string(field) else { return nil }
        return SharedSecret(
            try CredentialFile.read(
                resolve(text), for: "\(qualifiedName(field)) of \(file)",
                setting: .init(text: text, inline: "\(field)-data")))
    }

    /// Returns the name of the field that `content` reads.
    func contentName(_ field: String) -> String { value("\(field)-data") == nil ? field : "\(field)-data" }

    /// Parses the CA certificates in `content`, which was read from `field`. At least one must be readable.
    func certificates(
        in content: SharedSecret, of field: String
    ) throws(ConfigurationError) -> CertificatePool {
        let name = contentName(field)
        var pool = CertificatePool()
        guard pool.add(content.bytes, from: location(name)) > 0 else {
            throw pool.warnings.first.map { ConfigurationError(.invalid, $0) }
                ?? error(
                    .invalid, name, "holds no PEM certificate; expected -----BEGIN CERTIFICATE-----")
        }
        return pool
    }

    func mapping(_ field: String) throws(ConfigurationError) -> KubeconfigFields? {
        guard let value = value(field) else { return nil }
        guard value.entries != nil else { throw mismatch(field, "a mapping") }
        return KubeconfigFields(node: value, file: file, path: qualifiedName(field))
    }

    func list(_ field: String) throws(ConfigurationError) -> [YAMLNode] {
        guard let value = value(field) else { return [] }
        guard let elements = value.elements else { throw mismatch(field, "a list") }
        return elements
    }

    func strings(_ field: String) throws(ConfigurationError) -> [String] {
        var strings: [String] = []
        for element in try list(field) {
            guard let text = element.string else {
                throw error(
                    .invalid, field, "holds \(element.typeName), expected strings; put them in quotes")
            }
            strings.append(text)
        }
        return strings
    }

    /// Resolves a relative path against the folder of the file.
    func resolve(_ path: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return "\(file[...slash])\(path)"
    }
}
