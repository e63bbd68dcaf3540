/// One item of a list or watch: the object, or, when it does not have the shape of its kind, who it is, what
/// was last said of it and what is wrong. One malformed object must not break the list it is in.
///
/// Indirect, so that a table of many has room for references alone.
package indirect enum Decoded<Object: KubeObject>: Sendable {
    case object(Object)
    case malformed(ObjectMeta, status: Object.ObjectStatus?, problem: String)

    package var metadata: ObjectMeta {
        switch self {
        case .object(let object): object.metadata
        case .malformed(let metadata, _, _): metadata
        }
    }
}

extension Decoded: Decodable {
    package init(from decoder: any Decoder) throws {
        do {
            self = .object(try Object(from: decoder))
        } catch {
            // A number that does not fit comes as an error of the decoder's own.
            let problem = (error as? DecodingError)?.oneLine(below: decoder.codingPath.count)
            self = .malformed(
                try AnyMetadata(from: decoder).metadata, status: (try? StatusOnly(from: decoder))?.status,
                problem: problem ?? "a number in it is not of the kind or size that is expected")
        }
    }

    private struct StatusOnly: Decodable {
        let status: Object.ObjectStatus?
    }
}

extension DecodingError {
    /// What is wrong and where, without the value.
    package var oneLine: String { oneLine(below: 0) }

    /// The same, with the path told from `depth` on: an object's fields have the same names in a list of many
    /// and in a watch of one.
    func oneLine(below depth: Int) -> String {
        func path(_ keys: [any CodingKey]) -> String {
            let text = keys.dropFirst(depth).map { key in
                key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)"
            }.joined()
            return text.isEmpty ? "the object" : String(text.drop { $0 == "." })
        }
        switch self {
        case .keyNotFound(let key, let context):
            return "\(path(context.codingPath + [key])) is missing"
        case .typeMismatch(let type, let context):
            return "\(path(context.codingPath)) is not of type \(Self.jsonName(type))"
        case .valueNotFound(let type, let context):
            return "\(path(context.codingPath)) is null; \(Self.jsonName(type)) is expected"
        case .dataCorrupted(let context):
            return "\(path(context.codingPath)) is not valid"
        @unknown default:
            return "the object is not valid"
        }
    }

    private static func jsonName(_ type: any Any.Type) -> String {
        switch type {
        case is String.Type: "string"
        case is Bool.Type: "boolean"
        case is Int.Type, is Int64.Type: "integer"
        case is [Any].Type: "array"
        default: "object"
        }
    }
}
