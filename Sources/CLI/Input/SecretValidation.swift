import Cryptography
import Envelope
import Glibc
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
        var syntax = DockerConfigurationSyntax(text: text)
        if syntax.next() == nil { return "it is empty" }
        if isBase64OfObject(text) {
            return "it is the base64 of one; it is encoded twice, or belongs under data"
        }
        if let byte = syntax.next(), byte != UInt8(ascii: "{"), byte != UInt8(ascii: "n") {
            return "it does not begin with {"
        }
        guard syntax.value(), syntax.next() == nil else { return "it is not JSON at byte \(syntax.position)" }
        return nil
    }

    /// The nesting that Go's `encoding/json` accepts.
    private static let maximumDepth = 10_000

    private let text: UnsafeRawBufferPointer
    private var position = 0

    private init(text: UnsafeRawBufferPointer) { self.text = text }

    private static func isBase64OfObject(_ text: UnsafeRawBufferPointer) -> Bool {
        // The base64 of a text that begins with `{` begins with `e`.
        guard text.first == UInt8(ascii: "e"),
            let decoded = try? Base64.decodeSecret(
                SecretBytes(copying: text), skipping: Base64.lineBreaks)
        else { return false }
        return decoded.withUnsafeBytes { $0.first == UInt8(ascii: "{") }
    }

    /// Skips white space and returns the next byte without consuming it.
    private mutating func next() -> UInt8? {
        while position < text.count {
            switch text[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private mutating func consume(_ character: Unicode.Scalar) -> Bool {
        guard next() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Skips one value without recursion. Returns false if the text is not JSON.
    private mutating func value() -> Bool {
        // For each container around the position, true if it is an object.
        var containers: [Bool] = []
        while true {
            switch next() {
            case UInt8(ascii: "{"):
                position += 1
                guard containers.count < Self.maximumDepth else { return false }
                if !consume("}") {
                    containers.append(true)
                    guard key() else { return false }
                    continue
                }
            case UInt8(ascii: "["):
                position += 1
                guard containers.count < Self.maximumDepth else { return false }
                if !consume("]") {
                    containers.append(false)
                    continue
                }
            default: guard scalar() else { return false }
            }
            // A value has ended, and perhaps the containers around it.
            while let isObject = containers.last {
                if consume(",") {
                    guard !isObject || key() else { return false }
                    break
                }
                guard consume(isObject ? "}" : "]") else { return false }
                containers.removeLast()
            }
            if containers.isEmpty { return true }
        }
    }

    private mutating func key() -> Bool {
        next() == UInt8(ascii: "\"") && string() && consume(":")
    }

    private mutating func scalar() -> Bool {
        switch next() {
        case UInt8(ascii: "\""): string()
        case UInt8(ascii: "t"): word("true")
        case UInt8(ascii: "f"): word("false")
        case UInt8(ascii: "n"): word("null")
        default: number()
        }
    }

    private mutating func word(_ word: String) -> Bool {
        guard text[position...].starts(with: word.utf8) else { return false }
        position += word.utf8.count
        return true
    }

    private mutating func string() -> Bool {
        position += 1
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                position += 1
                return true
            case UInt8(ascii: "\\"): guard escape() else { return false }
            case 0..<0x20: return false
            default: position += 1
            }
        }
        return false
    }

    private mutating func escape() -> Bool {
        guard position + 1 < text.count else { return false }
        let kind = text[position + 1]
        guard kind == UInt8(ascii: "u") else {
            guard "\"\\/bfnrt".utf8.contains(kind) else { return false }
            position += 2
            return true
        }
        let digits = text[(position + 2)...].prefix(4)
        guard digits.count == 4, digits.allSatisfy(Self.isHexDigit) else { return false }
        position += 6
        return true
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Skips a number, which must fit into a double.
    private mutating func number() -> Bool {
        let start = position
        _ = consume("-")
        let whole = digits()
        guard whole > 0, whole == 1 || text[position - whole] != UInt8(ascii: "0") else { return false }
        if position < text.count, text[position] == UInt8(ascii: ".") {
            position += 1
            guard digits() > 0 else { return false }
        }
        if position < text.count, text[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < text.count, "+-".utf8.contains(text[position]) { position += 1 }
            guard digits() > 0 else { return false }
        }
        let number = UnsafeRawBufferPointer(rebasing: text[start..<position])
        // `strtod` reads up to a NUL, which the text does not have: the copy is one zero byte longer.
        let terminated = SecretBytes(count: number.count + 1) { $0.copyMemory(from: number) }
        return terminated.withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                $0.baseAddress.map { strtod($0, nil).isFinite } ?? false
            }
        }
    }

    private mutating func digits() -> Int {
        let count = text[position...].prefix(while: Self.isDigit).count
        position += count
        return count
    }
}
