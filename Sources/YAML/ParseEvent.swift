import Cryptography
import JSON

/// A stream of the events that a parser of YAML or JSON produces. Reading by events takes memory only for one scalar
/// and the nesting.
protocol ParseEventStream: AnyObject {
    /// Returns the next event. It must not be called after an error or the end of the stream.
    func next() throws(YAMLError) -> ParseEvent
}

/// The start or end of a stream, document or collection, a scalar or an alias.
struct ParseEvent {
    struct NodeProperties: Equatable {
        var anchor: String?
        var tag: String?
    }

    enum Kind {
        case streamStart, documentStart, documentEnd, streamEnd
        case alias(String)
        /// The type is given if the syntax determines it, as in JSON; otherwise style, tag and text do.
        case scalar(ScalarText, YAMLScalar.Style, NodeProperties, type: YAMLScalar.ValueType?)
        case sequenceStart(NodeProperties, isFlow: Bool)
        case mappingStart(NodeProperties, isFlow: Bool)
        case sequenceEnd, mappingEnd
    }

    let kind: Kind
    let range: SourceRange
}

extension ParseEvent {
    /// Returns the scalar of a scalar event, or nil for other events.
    func scalar() throws(ScalarTag.MismatchError) -> YAMLScalar? {
        guard case .scalar(let text, let style, let properties, let type) = kind else { return nil }
        if let type { return YAMLScalar(text: text, style: style, type: type) }
        return try ScalarTag.resolve(text, style, tag: properties.tag)
    }

    var nodeProperties: NodeProperties {
        switch kind {
        case .scalar(_, _, let properties, _), .sequenceStart(let properties, _),
            .mappingStart(let properties, _):
            properties
        default: NodeProperties()
        }
    }
}

/// Determines the types of scalars as kubectl does: the text must match a standard tag such as `!!int`, and any other
/// tag denotes a string.
enum ScalarTag {
    struct MismatchError: Error {
        let message: String
    }

    static func resolve(
        _ text: ScalarText, _ style: YAMLScalar.Style, tag: String?
    ) throws(MismatchError) -> YAMLScalar {
        func scalar(_ type: YAMLScalar.ValueType) -> YAMLScalar {
            YAMLScalar(text: text, style: style, type: type, tag: tag)
        }
        guard let tag else { return scalar(style == .plain ? plainType(text) : .string) }
        guard tag.hasPrefix(standard) else { return scalar(.string) }
        switch tag.dropFirst(standard.count) {
        case "null": return scalar(try check(plainType(text) == .null, .null))
        case "bool": return scalar(try check(plainType(text) == .bool, .bool))
        case "int": return scalar(try check(plainType(text) == .int, .int))
        case "float": return scalar(try check([.float, .int].contains(plainType(text)), .float))
        case "binary":
            return YAMLScalar(text: try decodeBinary(text), style: style, type: .string, tag: tag)
        default: return scalar(.string)
        }
    }

    private static func plainType(_ text: ScalarText) -> YAMLScalar.ValueType {
        text.withUnsafeBytes { PlainScalar.valueType($0) }
    }

    /// The prefix that `!!` stands for.
    private static let standard = "tag:yaml.org,2002:"

    private static func check(
        _ matches: Bool, _ type: YAMLScalar.ValueType
    ) throws(MismatchError) -> YAMLScalar.ValueType {
        guard matches else {
            throw MismatchError(message: "the value does not match its tag !!\(type); correct one of them")
        }
        return type
    }

    /// Decodes the base64 of a `!!binary` scalar. kubectl replaces bytes that are not UTF-8 by U+FFFD; here they are
    /// rejected.
    private static func decodeBinary(_ text: ScalarText) throws(MismatchError) -> ScalarText {
        let decoded = text.withUnsafeBytes { bytes in
            try? SharedSecret(Base64.decodeSecret(bytes, skipping: Base64.lineBreaks))
        }
        guard let decoded, decoded.bytes.withUnsafeBytes({ $0.isValidUTF8 }) else {
            throw MismatchError(
                message: "!!binary needs padded base64 of UTF-8 text; put other bytes, as base64 without "
                    + "the tag, under `data`")
        }
        return decoded.bytes.withUnsafeBytes { ScalarText(copying: $0) }
    }
}
