import Cryptography
import YAML

/// Reads the fields of one mapping of a kubeconfig, each with an error that names file, place and field. As in
/// kubectl, null and the empty string are the same as no field.
struct KubeconfigFields {
    let node: YAMLNode
    /// The file the mapping comes from.
    let file: String
    /// Where it stands: `users["admin"].user`.
    let path: String

    func qualifiedName(_ field: String) -> String { "\(path.isEmpty ? "" : path + ".")\(field)" }

    func error(_ code: ConfigurationError.Code, _ field: String, _ problem: String) -> ConfigurationError {
        ConfigurationError(code, "\(location(field)) \(problem)")
    }

    /// Where a field stands: `FILE:6:33: users["u"].user.token`.
    func location(_ field: String) -> String {
        "\((node[field] ?? node).range.location(in: file)): \(qualifiedName(field))"
    }

    private func value(_ field: String) -> YAMLNode? {
        node[field].flatMap { $0.isNull || $0.scalar?.bytes.count == 0 ? nil : $0 }
    }

    private func mismatch(_ field: String, _ expected: String) -> ConfigurationError {
        let found = node[field]?.typeName ?? "nothing"
        let fix = node[field]?.scalar != nil && expected == "a string" ? "; put it in quotes" : ""
        return error(.invalid, field, "is \(found), expected \(expected)\(fix)")
    }

    /// For what is not secret.
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

    /// Base64 as Go takes it, as all `-data` fields are.
    func data(_ field: String) throws(ConfigurationError) -> SharedSecret? {
        guard let text = try secret(field) else { return nil }
        do throws(Base64.DecodingError) {
            return SharedSecret(try Base64.decodeSecret(text.bytes, skipping: Base64.lineBreaks))
        } catch {
            guard !PEM.containsBlock(text.bytes) else {
                throw self.error(
                    .invalid, field,
                    "is PEM, and base64 of it is expected (base64 -w0 FILE); a file of it can be named without -data"
                )
            }
            let hasSpace = text.bytes.withUnsafeBytes { $0.contains(UInt8(ascii: " ")) }
            throw self.error(
                .invalid, field,
                hasSpace
                    ? "is not base64: it has spaces in it, as a folded block (>) leaves them; write it on one line, or as a "
                        + "literal block (|)" : "is not base64, padded with =")
        }
    }

    /// The content of FIELD-data, or else of the file that FIELD names.
    func content(_ field: String) throws(ConfigurationError) -> SharedSecret? {
        if let data = try data("\(field)-data") { return data }
        guard let text = try string(field) else { return nil }
        return SharedSecret(
            try CredentialFile.read(
                KubeconfigPath.resolve(text, besides: file), for: "\(qualifiedName(field)) of \(file)",
                setting: .init(text: text, inline: "\(field)-data")))
    }

    /// The field that `content` reads.
    func contentName(_ field: String) -> String { value("\(field)-data") == nil ? field : "\(field)-data" }

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
}

enum KubeconfigPath {
    static func resolve(_ path: String, besides file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return "\(file[...slash])\(path)"
    }
}
