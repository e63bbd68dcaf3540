/// A text as a stream of events, whatever its syntax: documents, what opens and closes in them, and scalars. Reading by
/// events takes memory for one scalar and the nesting alone.
protocol ParseEventStream: AnyObject {
    /// Not to be called again after an error or the end of the stream.
    func next() throws(YAMLError) -> ParseEvent
}

struct ParseEvent {
    struct NodeProperties: Equatable {
        var anchor: String?
        var tag: String?
    }

    enum Kind {
        case streamStart, documentStart, documentEnd, streamEnd
        case alias(String)
        /// `kind`: what the scalar is by the syntax alone, as in JSON; nil: its text decides.
        case scalar(ScalarText, YAMLScalar.Style, NodeProperties, kind: YAMLScalar.ValueType?)
        case sequenceStart(NodeProperties, isFlow: Bool)
        case mappingStart(NodeProperties, isFlow: Bool)
        case sequenceEnd, mappingEnd
    }

    let kind: Kind
    let range: SourceRange
}

extension ParseEvent {
    /// The scalar of a scalar event, with its kind; nil for other events.
    func scalar() throws(ScalarTag.MismatchError) -> YAMLScalar? {
        guard case .scalar(let text, let style, let properties, let kind) = kind else { return nil }
        if let kind { return YAMLScalar(text: text, style: style, kind: kind) }
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
