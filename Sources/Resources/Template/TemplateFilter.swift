import Cryptography
import JSON

/// A function between an entry and its place in a template.
enum TemplateFilter: Sendable, Equatable {
    enum Name: String, CaseIterable {
        case base64, base64decode, json, quote, indent
    }

    /// Standard base64, padded and without line breaks.
    case base64
    /// The bytes of standard, padded base64. Line breaks are ignored, as in Go.
    case base64decode
    /// A string of JSON, with the escapes that JSON requires.
    case json
    /// A string in double quotes that JSON and YAML read alike: unprintable characters are escapes too.
    case quote
    /// Spaces before each line, the first and an empty last one included, as Sprig's.
    case indent(Int)

    static let maximumIndentation = 64
    /// The number of filters of one reference.
    static let maximumCount = 16

    init(_ name: Name, count: Int = 0) {
        switch name {
        case .base64: self = .base64
        case .base64decode: self = .base64decode
        case .json: self = .json
        case .quote: self = .quote
        case .indent: self = .indent(count)
        }
    }

    /// The filter as a template names it.
    var source: String {
        switch self {
        case .base64: Name.base64.rawValue
        case .base64decode: Name.base64decode.rawValue
        case .json: Name.json.rawValue
        case .quote: Name.quote.rawValue
        case .indent(let count): "\(Name.indent.rawValue) \(count)"
        }
    }

    /// Why a filter cannot be applied to a value. The value is not in it.
    enum Failure: Error {
        case notBase64, notUTF8
        /// The result is longer than the limit.
        case tooLong
    }

    /// Returns the result in secret memory. Stops where the result grows beyond `limit` bytes.
    func apply(
        to value: borrowing SecretBytes, limit: Int
    ) throws(Failure) -> SecretBytes {
        try value.withUnsafeBytes { bytes throws(Failure) in
            switch self {
            case .base64:
                guard Base64.encodedCount(bytes.count) <= limit else { throw .tooLong }
                var output = SecretBuffer(capacity: Base64.encodedCount(bytes.count))
                output.appendBase64(bytes)
                return output.finish()
            case .base64decode:
                guard let decoded = try? Base64.decodeSecret(bytes, skipping: Base64.lineBreaks) else {
                    throw .notBase64
                }
                guard decoded.count <= limit else { throw .tooLong }
                return decoded
            case .json: return try Self.quoted(bytes, limit) { _ in false }
            case .quote: return try Self.quoted(bytes, limit, escaping: JSONString.needsEscape)
            case .indent(let count): return try Self.indented(bytes, count, limit)
            }
        }
    }

    private static func quoted(
        _ text: UnsafeRawBufferPointer, _ limit: Int, escaping needsEscape: (Unicode.Scalar) -> Bool
    ) throws(Failure) -> SecretBytes {
        guard text.isValidUTF8 else { throw .notUTF8 }
        var output = SecretBuffer(capacity: text.count + 2)
        output.append(UInt8(ascii: "\""))
        for scalar in UTF8Scalars(bytes: text) {
            JSONString.appendCharacter(scalar, to: &output, escaping: needsEscape)
            guard output.count < limit else { throw .tooLong }
        }
        output.append(UInt8(ascii: "\""))
        return output.finish()
    }

    private static func indented(
        _ text: UnsafeRawBufferPointer, _ indentation: Int, _ limit: Int
    ) throws(Failure) -> SecretBytes {
        let lineFeed = UInt8(ascii: "\n")
        let lines = text.count { $0 == lineFeed } + 1
        // Neither factor is larger than 2^40.
        let size = text.count + lines * indentation
        guard size <= limit else { throw .tooLong }
        return SecretBytes(count: size) { output in
            var place = indentation
            output.prefix(indentation).initializeMemoryToSpaces()
            for byte in text {
                output[place] = byte
                place += 1
                guard byte == lineFeed else { continue }
                output[place..<place + indentation].initializeMemoryToSpaces()
                place += indentation
            }
        }
    }
}

extension Slice<UnsafeMutableRawBufferPointer> {
    fileprivate func initializeMemoryToSpaces() {
        for index in indices { base[index] = UInt8(ascii: " ") }
    }
}
