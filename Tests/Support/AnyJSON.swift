package import Foundation

/// A JSON value that tests can read and change.
package enum AnyJSON: Sendable, Hashable, Codable {
    case null
    case bool(Bool)
    case int(Int)
    case string(String)
    case array([AnyJSON])
    case object([String: AnyJSON])

    package init(_ bytes: [UInt8]) throws {
        self = try JSONDecoder().decode(AnyJSON.self, from: Data(bytes))
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .int(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AnyJSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: AnyJSON].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    package func data() throws -> Data { try JSONEncoder().encode(self) }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var fields: [String: AnyJSON]? { if case .object(let value) = self { value } else { nil } }
    package var items: [AnyJSON]? { if case .array(let value) = self { value } else { nil } }

    package subscript(key: String) -> AnyJSON? {
        get { fields?[key] }
        set {
            var fields = fields ?? [:]
            fields[key] = newValue
            self = .object(fields)
        }
    }

    package subscript(path: [String]) -> AnyJSON? {
        get {
            guard let first = path.first else { return self }
            return self[first]?[Array(path.dropFirst())]
        }
        set {
            guard let first = path.first else {
                self = newValue ?? .null
                return
            }
            guard path.count > 1 else {
                self[first] = newValue
                return
            }
            var child = self[first] ?? .object([:])
            child[Array(path.dropFirst())] = newValue
            self[first] = child
        }
    }
}

extension AnyJSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(arrayLiteral elements: AnyJSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, AnyJSON)...) {
        self = .object(Dictionary(uniqueKeysWithValues: elements))
    }
}
