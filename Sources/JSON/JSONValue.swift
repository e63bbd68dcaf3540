package import Cryptography

/// A JSON value in memory: what the writers of JSON and YAML write, and what a response is read as. Members keep their
/// order. Secrets go from their own memory to the output's and nowhere else.
///
/// A response of unknown shape is read like this:
///
///     let body = try JSONValue(parsing: response)
///     let token = body["auth"]?["client_token"]?.secret
package indirect enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case int(Int)
    /// A number in JSON's syntax, as written: one with a fraction, an exponent or too many digits for an `Int`.
    case number(String)
    case string(String)
    /// A string in secret memory. Every string that is read is one.
    case secret(SecretText)
    /// Written as the base64 of the bytes; never read.
    case base64(SharedSecret)
    case array([JSONValue])
    /// The keys must be unique.
    case object([(key: String, value: JSONValue)])
}

/// A secret that is UTF-8, so that it can be a string of YAML and JSON.
package struct SecretText: Sendable {
    package let bytes: SharedSecret

    /// Returns nil if the bytes are not UTF-8, which are to be written as base64.
    package init?(_ bytes: SharedSecret) {
        guard bytes.bytes.withUnsafeBytes({ $0.isValidUTF8 }) else { return nil }
        self.bytes = bytes
    }
}

extension UnsafeRawBufferPointer {
    package var isValidUTF8: Bool {
        (try? UTF8Span(validating: bindMemory(to: UInt8.self).span)) != nil
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { (key: $0.0, value: $0.1) })
    }
}

/// Bounds on a document that is read as a `JSONValue`, so that no input exhausts the memory or the stack.
package struct JSONLimits: Sendable {
    /// The largest document, in bytes.
    package var maximumBytes = 32 << 20
    /// How many containers may be nested.
    package var maximumDepth = 100
    /// How many values a document may have, containers included.
    package var maximumValues = 100_000

    package init() {}
}

extension JSONValue {
    /// Reads the one JSON document that `bytes` hold. A byte order mark before it is ignored.
    ///
    /// - Throws: `JSONError` without a path, so that nothing of the document can be in a message: `syntax`,
    ///   `invalidString`, `duplicateKey` or `limitExceeded`.
    package init(
        parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) {
        guard bytes.count <= limits.maximumBytes else { throw JSONError(.limitExceeded, offset: 0) }
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var builder = JSONValueBuilder(
            maximumDepth: limits.maximumDepth, remainingValues: limits.maximumValues)
        do throws(JSONError) {
            self = try JSONReader.read(from: UnsafeRawBufferPointer(rebasing: bytes[start...])) {
                json throws(JSONError) in try builder.value(&json, depth: 0)
            }
        } catch {
            throw JSONError(error.problem, offset: start + error.offset)
        }
    }

    package init(
        parsing bytes: borrowing SecretBytes, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) {
        self = try bytes.withUnsafeBytes { bytes throws(JSONError) in
            try JSONValue(parsing: bytes, limits: limits)
        }
    }

    /// The value of a member, or nil if this is not an object or has no such member.
    package subscript(key: String) -> JSONValue? { members?.first { $0.key == key }?.value }

    package var members: [(key: String, value: JSONValue)]? {
        if case .object(let members) = self { members } else { nil }
    }

    package var elements: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The text of a string. Copies it to ordinary memory: only for what is known not to be secret.
    package var string: String? {
        switch self {
        case .string(let text): text
        case .secret(let text): text.bytes.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        default: nil
        }
    }

    /// The text of a string that is not empty, in secret memory.
    package var nonEmptySecret: SharedSecret? { secret.flatMap { $0.count > 0 ? $0 : nil } }

    /// The text of a string, in secret memory.
    package var secret: SharedSecret? {
        switch self {
        case .string(let text): SharedSecret(copying: text.utf8)
        case .secret(let text): text.bytes
        default: nil
        }
    }

    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The value of a number without fraction and exponent that fits.
    package var int: Int? { if case .int(let value) = self { value } else { nil } }

    /// The value of any finite number.
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .number(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        default: nil
        }
    }

    package var isNull: Bool { if case .null = self { true } else { false } }
}

/// Builds the value of a whole document, within limits.
private struct JSONValueBuilder {
    let maximumDepth: Int
    var remainingValues: Int

    mutating func value(_ json: inout JSONReader, depth: Int) throws(JSONError) -> JSONValue {
        guard depth <= maximumDepth, remainingValues > 0 else { throw json.error(.limitExceeded) }
        remainingValues -= 1
        if let scalar = try json.readScalar() { return scalar }
        if json.isAtArray {
            var elements: [JSONValue] = []
            try json.readArray { json throws(JSONError) in elements.append(try value(&json, depth: depth + 1))
            }
            return .array(elements)
        }
        var members: [(key: String, value: JSONValue)] = []
        var keys: Set<String> = []
        try json.readObject { key, json throws(JSONError) in
            let key = try key.text()
            guard keys.insert(key).inserted else { throw json.error(.duplicateKey) }
            members.append((key, try value(&json, depth: depth + 1)))
        }
        return .object(members)
    }
}
