import Cryptography
import Envelope
import Glibc
import JSON
import Resources

/// Checks the entries of typed Secrets as the API server does (`ValidateSecret` in pkg/apis/core/validation): the names
/// for every type, and the values of image registry configurations and SSH keys.
enum SecretValidation {
    /// - Throws: `SpecError` if the API server would refuse the Secret.
    static func check(type: String, _ entries: [SecretEntry]) throws(SpecError) {
        try TemplateValidation.check(type: type, entries: entries.map(\.name))
        switch type {
        case "kubernetes.io/dockerconfigjson": try checkJSON(".dockerconfigjson", type, entries)
        case "kubernetes.io/dockercfg": try checkJSON(".dockercfg", type, entries)
        case "kubernetes.io/ssh-auth":
            guard let key = value("ssh-privatekey", entries), key.count > 0 else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.type \(type) needs a private key under ssh-privatekey, and the value is empty; correct "
                        + "it, or choose another type")
            }
        default: break
        }
    }

    private static func value(_ name: String, _ entries: [SecretEntry]) -> SharedSecret? {
        entries.first { $0.name == name }?.value
    }

    private static func checkJSON(
        _ name: String, _ type: String, _ entries: [SecretEntry]
    ) throws(SpecError) {
        guard let value = value(name, entries) else { return }
        let problem = value.bytes.withUnsafeBytes { DockerConfigurationSyntax.problem(in: $0) }
        guard let problem else { return }
        throw SpecError(
            .invalidSpec,
            "spec.template.type \(type) needs a JSON object under \(name), but the value is not one (\(problem)); correct it, "
                + "or choose another type")
    }
}

/// Checks that a text is a JSON object that Go's `encoding/json` reads into a `map[string]any`. The API server checks
/// the configuration of an image registry this way.
///
/// Go accepts what stricter readers refuse: `null`, duplicate keys, unpaired surrogates, and bytes that are not UTF-8.
struct DockerConfigurationSyntax {
    /// Returns the problem without quoting the text, or nil if there is none.
    static func problem(in text: UnsafeRawBufferPointer) -> String? {
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { return "it begins with a byte order mark" }
        var syntax = DockerConfigurationSyntax(scanner: JSONScanner(text))
        if syntax.scanner.peek() == nil { return "it is empty" }
        if isBase64OfObject(text) {
            return "it is the base64 of one; it is encoded twice, or belongs under data"
        }
        if let byte = syntax.scanner.peek(), byte != UInt8(ascii: "{"), byte != UInt8(ascii: "n") {
            return "it does not begin with {"
        }
        guard syntax.value(), syntax.scanner.peek() == nil else {
            return "it is not JSON at byte \(syntax.scanner.offset)"
        }
        return nil
    }

    /// The nesting that Go's `encoding/json` accepts.
    private static let maximumDepth = 10_000

    private var scanner: JSONScanner

    private static func isBase64OfObject(_ text: UnsafeRawBufferPointer) -> Bool {
        // The base64 of a text that begins with `{` begins with `e`.
        guard text.first == UInt8(ascii: "e"),
            let decoded = try? Base64.decodeSecret(
                SecretBytes(copying: text), skipping: Base64.lineBreaks)
        else { return false }
        return decoded.withUnsafeBytes { $0.first == UInt8(ascii: "{") }
    }

    /// Skips one value without recursion. Returns false if the text is not JSON.
    private mutating func value() -> Bool {
        // For each container around the position, true if it is an object.
        var containers: [Bool] = []
        while true {
            if scanner.take("{") {
                guard containers.count < Self.maximumDepth else { return false }
                if !scanner.take("}") {
                    containers.append(true)
                    guard key() else { return false }
                    continue
                }
            } else if scanner.take("[") {
                guard containers.count < Self.maximumDepth else { return false }
                if !scanner.take("]") {
                    containers.append(false)
                    continue
                }
            } else {
                guard scalar() else { return false }
            }
            // A value has ended, and perhaps the containers around it.
            while let isObject = containers.last {
                if scanner.take(",") {
                    guard !isObject || key() else { return false }
                    break
                }
                guard scanner.take(isObject ? "}" : "]") else { return false }
                containers.removeLast()
            }
            if containers.isEmpty { return true }
        }
    }

    private mutating func key() -> Bool {
        scanner.peek() == UInt8(ascii: "\"") && string() && scanner.take(":")
    }

    private mutating func scalar() -> Bool {
        switch scanner.peek() {
        case UInt8(ascii: "\""): string()
        case UInt8(ascii: "t"): scanner.takeLiteral("true")
        case UInt8(ascii: "f"): scanner.takeLiteral("false")
        case UInt8(ascii: "n"): scanner.takeLiteral("null")
        default: number()
        }
    }

    private mutating func string() -> Bool {
        scanner.offset += 1
        while scanner.offset < scanner.bytes.count {
            switch scanner.bytes[scanner.offset] {
            case UInt8(ascii: "\""):
                scanner.offset += 1
                return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0..<0x20: return false
            default: scanner.offset += 1
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        let escape = scanner.bytes[scanner.offset...].dropFirst()
        guard let kind = escape.first else { return false }
        guard kind == UInt8(ascii: "u") else {
            guard "\"\\/bfnrt".utf8.contains(kind) else { return false }
            scanner.offset += 2
            return true
        }
        let digits = escape.dropFirst().prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }) else {
            return false
        }
        scanner.offset += 6
        return true
    }

    /// Skips a number, which must fit into a double.
    private mutating func number() -> Bool {
        let start = scanner.offset
        guard scanner.takeNumber() != nil else { return false }
        let number = UnsafeRawBufferPointer(rebasing: scanner.bytes[start..<scanner.offset])
        // `strtod` reads up to a NUL, which the text does not have: the copy is one zero byte longer.
        let terminated = SecretBytes(count: number.count + 1) { $0.copyMemory(from: number) }
        return terminated.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                $0.baseAddress.map { strtod($0, nil).isFinite } ?? false
            }
        }
    }
}
