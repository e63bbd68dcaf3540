/// A reader of JSON (RFC 8259) that shares nothing with the reader of the project: recursive, and written to be compared
/// with the grammar.
struct ReferenceJSON {
    indirect enum Value: Equatable {
        case null
        case bool(Bool)
        case number([UInt8])
        case string([UInt8])
        case array([Value])
        case object([Member])
    }

    struct Member: Equatable {
        let key: [UInt8]
        let value: Value
    }

    private struct SyntaxError: Error {}

    private static let maximumDepth = 100

    private let bytes: [UInt8]
    private var index = 0

    /// Returns the one value that the bytes hold, or nil if they are not JSON or nest too deep.
    static func value(_ bytes: [UInt8]) -> Value? {
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        guard bytes.validText != nil else { return nil }
        var reader = ReferenceJSON(bytes: bytes)
        guard let value = try? reader.value(0) else { return nil }
        reader.skipSpace()
        return reader.index == bytes.count ? value : nil
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func take(_ character: Character) throws {
        guard next == character.asciiValue else { throw SyntaxError() }
        index += 1
    }

    private mutating func takes(_ character: Character) -> Bool {
        skipSpace()
        guard next == character.asciiValue else { return false }
        index += 1
        return true
    }

    private mutating func value(_ depth: Int) throws -> Value {
        guard depth <= Self.maximumDepth else { throw SyntaxError() }
        skipSpace()
        switch next.map({ Character(Unicode.Scalar($0)) }) {
        case "{": return .object(try members(depth))
        case "[": return .array(try elements(depth))
        case "\"": return .string(try string())
        case "t": return try literal("true", .bool(true))
        case "f": return try literal("false", .bool(false))
        case "n": return try literal("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func members(_ depth: Int) throws -> [Member] {
        try take("{")
        if takes("}") { return [] }
        var members: [Member] = []
        repeat {
            skipSpace()
            let key = try string()
            guard takes(":") else { throw SyntaxError() }
            members.append(Member(key: key, value: try value(depth + 1)))
        } while takes(",")
        guard takes("}") else { throw SyntaxError() }
        return members
    }

    private mutating func elements(_ depth: Int) throws -> [Value] {
        try take("[")
        if takes("]") { return [] }
        var elements: [Value] = []
        repeat { elements.append(try value(depth + 1)) } while takes(",")
        guard takes("]") else { throw SyntaxError() }
        return elements
    }

    private mutating func literal(_ text: String, _ value: Value) throws -> Value {
        for character in text { try take(character) }
        return value
    }

    private mutating func number() throws -> [UInt8] {
        let start = index
        if next == UInt8(ascii: "-") { index += 1 }
        if next == UInt8(ascii: "0") { index += 1 } else { try digits() }
        if next == UInt8(ascii: ".") {
            index += 1
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            index += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
            try digits()
        }
        return Array(bytes[start..<index])
    }

    private mutating func digits() throws {
        let start = index
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
        guard index > start else { throw SyntaxError() }
    }

    private mutating func string() throws -> [UInt8] {
        try take("\"")
        var text: [UInt8] = []
        while let byte = next, byte >= 0x20 {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"): try escape(into: &text)
            default: text.append(byte)
            }
        }
        throw SyntaxError()
    }

    private mutating func escape(into text: inout [UInt8]) throws {
        guard let byte = next else { throw SyntaxError() }
        index += 1
        let named: [UInt8: UInt8] = [
            0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
        ]
        if let character = named[byte] {
            text.append(character)
            return
        }
        guard byte == UInt8(ascii: "u") else { throw SyntaxError() }
        var code = try codeUnit()
        if (0xD800..<0xDC00).contains(code) {
            try take("\\")
            try take("u")
            let trail = try codeUnit()
            guard (0xDC00..<0xE000).contains(trail) else { throw SyntaxError() }
            code = 0x10000 + (code - 0xD800) * 0x400 + (trail - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw SyntaxError() }
        text += Array(String(scalar).utf8)
    }

    private mutating func codeUnit() throws -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = next.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }),
                next.map({ $0 < 0x80 }) == true
            else { throw SyntaxError() }
            unit = unit << 4 | UInt32(digit)
            index += 1
        }
        return unit
    }
}
