import Cryptography
import Glibc

/// Resolves scalars without quotes as kubectl does: the rules of go-yaml v2 (resolve.go), which are those of YAML 1.1
/// without sexagesimal numbers, with Go's prefixes `0b`, `0o` and `0x`.
enum PlainScalar {
    static func valueType(_ text: UnsafeRawBufferPointer) -> YAMLScalar.ValueType {
        guard let first = text.first else { return .null }
        if let word = words.first(where: { isWord(text, $0.spelling) }) { return word.type }
        switch first {
        case UInt8(ascii: "."):
            let isNumber =
                hasUnderscoresBetweenDigitsOnly(text)
                && withoutUnderscores(text).withUnsafeBytes { isFloat($0) }
            return isNumber || isNaN(text) ? .float : .string
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return withoutUnderscores(text).withUnsafeBytes { digits in
                if wholeNumber(digits) != nil { return .int }
                return isFloat(digits) || isWord(afterSign(digits), infinity) ? .float : .string
            }
        default:
            return .string
        }
    }

    /// Returns the value of an integer between `Int64.min` and `UInt64.max`, or nil for any other text.
    static func integer(_ text: UnsafeRawBufferPointer) -> Int128? {
        withoutUnderscores(text).withUnsafeBytes { wholeNumber($0) }
    }

    /// Returns the value of a finite number, or nil for any other text.
    static func float(_ text: UnsafeRawBufferPointer) -> Double? {
        withoutUnderscores(text).withUnsafeBytes { isFloat($0) ? double($0) : nil }
    }

    /// Go's strconv.ParseInt and ParseUint with base 0: a signed or an unsigned integer of 64 bits.
    private static func wholeNumber(_ text: UnsafeRawBufferPointer) -> Int128? {
        var digits = text[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        let isSigned = isNegative || digits.first == UInt8(ascii: "+")
        if isSigned { digits = digits.dropFirst() }
        var radix: Int128 = 10
        if digits.count > 1, digits.first == UInt8(ascii: "0") {
            digits = digits.dropFirst()
            switch digits.first.map({ $0 | 0x20 }) {
            case UInt8(ascii: "x"): radix = 16
            case UInt8(ascii: "b"): radix = 2
            case UInt8(ascii: "o"): radix = 8
            default: radix = 0
            }
            if radix == 0 { radix = 8 } else { digits = digits.dropFirst() }
        }
        guard !digits.isEmpty else { return nil }
        let limit = isSigned ? Int128(Int64.max) + (isNegative ? 1 : 0) : Int128(UInt64.max)
        var value: Int128 = 0
        for byte in digits {
            guard let digit = digitValue(byte), digit < radix else { return nil }
            value = value * radix + digit
            guard value <= limit else { return nil }
        }
        return isNegative ? -value : value
    }

    private static func digitValue(_ byte: UInt8) -> Int128? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int128(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int128(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): Int128(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Returns whether the text matches `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` and fits into a double.
    private static func isFloat(_ text: UnsafeRawBufferPointer) -> Bool {
        var rest = text[...]
        func skip(_ a: UInt8, _ b: UInt8) -> Bool {
            guard let byte = rest.first, byte == a || byte == b else { return false }
            rest = rest.dropFirst()
            return true
        }
        func skipDigits() -> Int {
            let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }.count
            rest = rest.dropFirst(digits)
            return digits
        }
        _ = skip(UInt8(ascii: "-"), UInt8(ascii: "+"))
        let whole = skipDigits()
        let fraction = skip(UInt8(ascii: "."), UInt8(ascii: ".")) ? skipDigits() : 0
        guard whole + fraction > 0 else { return false }
        if skip(UInt8(ascii: "e"), UInt8(ascii: "E")) {
            _ = skip(UInt8(ascii: "-"), UInt8(ascii: "+"))
            guard skipDigits() > 0 else { return false }
        }
        return rest.isEmpty && double(text).isFinite
    }

    /// - Parameter text: a number, as `isFloat` accepts it.
    private static func double(_ text: UnsafeRawBufferPointer) -> Double {
        SecretBytes(count: text.count + 1) { $0.copyMemory(from: text) }.withUnsafeBytes { terminated in
            terminated.withMemoryRebound(to: CChar.self) { $0.baseAddress.map { strtod($0, nil) } ?? 0 }
        }
    }

    /// Returns true if each underscore is between two digits, as strconv.ParseFloat requires: go-yaml does not remove the
    /// underscores of a number that starts with a dot.
    private static func hasUnderscoresBetweenDigitsOnly(_ text: UnsafeRawBufferPointer) -> Bool {
        let isDigit = { (byte: UInt8) in byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
        return text.indices.allSatisfy { index in
            guard text[index] == UInt8(ascii: "_") else { return true }
            return index > 0 && index + 1 < text.count && isDigit(text[index - 1]) && isDigit(text[index + 1])
        }
    }

    private static func withoutUnderscores(_ text: UnsafeRawBufferPointer) -> SecretBytes {
        SecretBytes(count: text.count { $0 != UInt8(ascii: "_") }) { digits in
            var count = 0
            for byte in text where byte != UInt8(ascii: "_") {
                digits[count] = byte
                count += 1
            }
        }
    }

    /// Returns whether the text is a word in lower case, capitalised, or in upper case.
    private static func isWord(_ text: UnsafeRawBufferPointer, _ word: [UInt8]) -> Bool {
        guard text.count == word.count, zip(text, word).allSatisfy({ lowercased($0) == $1 }) else {
            return false
        }
        let letters = text.drop { $0 == UInt8(ascii: ".") }
        let capitals = letters.count { lowercased($0) != $0 }
        return capitals == 0 || capitals == letters.count || capitals == 1 && isCapital(letters.first)
    }

    /// go-yaml accepts `.nan`, `.NaN` and `.NAN`, but not `.Nan`.
    private static func isNaN(_ text: UnsafeRawBufferPointer) -> Bool {
        [".nan", ".NaN", ".NAN"].contains { text.elementsEqual($0.utf8) }
    }

    private static func afterSign(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: text.dropFirst())
    }

    private static func isCapital(_ byte: UInt8?) -> Bool { byte.map { lowercased($0) != $0 } ?? false }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    private static let words: [(spelling: [UInt8], type: YAMLScalar.ValueType)] = [
        (Array("~".utf8), .null), (Array("null".utf8), .null),
        (Array("y".utf8), .bool), (Array("yes".utf8), .bool), (Array("true".utf8), .bool),
        (Array("on".utf8), .bool), (Array("n".utf8), .bool), (Array("no".utf8), .bool),
        (Array("false".utf8), .bool), (Array("off".utf8), .bool),
        (infinity, .float),
    ]
    private static let infinity = Array(".inf".utf8)
}
