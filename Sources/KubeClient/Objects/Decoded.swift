/// One item of a list or watch: the object, or, when it does not have the shape of its kind, who it is and
/// what is wrong. One malformed object must not break the list it is in.
package enum Decoded<Object: KubeObject>: Sendable {
    case object(Object)
    case malformed(ObjectMeta, problem: String)

    package var metadata: ObjectMeta {
        switch self {
        case .object(let object): object.metadata
        case .malformed(let metadata, _): metadata
        }
    }
}

extension Decoded: Decodable {
    package init(from decoder: any Decoder) throws {
        do {
            self = .object(try Object(from: decoder))
        } catch let error as DecodingError {
            self = .malformed(try AnyMetadata(from: decoder).metadata, problem: error.oneLine)
        }
    }
}

extension DecodingError {
    /// What is wrong and where, without the value.
    package var oneLine: String {
        func path(_ context: Context) -> String {
            let path = context.codingPath.filter { $0.intValue == nil || !$0.stringValue.isEmpty }
            let text = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
            return text.isEmpty ? "the object" : String(text.drop { $0 == "." })
        }
        switch self {
        case .keyNotFound(let key, let context):
            let parent = context.codingPath.isEmpty ? "" : path(context) + "."
            return "\(parent)\(key.stringValue) is missing"
        case .typeMismatch(let type, let context):
            return "\(path(context)) is not of type \(Self.jsonName(type))"
        case .valueNotFound(let type, let context):
            return "\(path(context)) is null; \(Self.jsonName(type)) is expected"
        case .dataCorrupted(let context):
            return "\(path(context)) is not valid"
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
