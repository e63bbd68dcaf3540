/// A text as a stream of events, whatever its syntax: documents, what opens and closes in them, and scalars. Reading by
/// events takes memory for one scalar and the nesting alone.
protocol EventStream: AnyObject {
    /// Not to be called again after an error or the end of the stream.
    func next() throws(YAMLError) -> Event
}

struct Event {
    struct Properties: Equatable {
        var anchor: String?
        var tag: String?
    }

    enum Kind {
        case streamStart, documentStart, documentEnd, streamEnd
        case alias(String)
        /// `kind`: what the scalar is by the syntax alone, as in JSON; nil: its text decides.
        case scalar(ScalarText, Scalar.Style, Properties, kind: Scalar.Kind?)
        case sequenceStart(Properties, isFlow: Bool)
        case mappingStart(Properties, isFlow: Bool)
        case sequenceEnd, mappingEnd
    }

    let kind: Kind
    let mark: Mark
}

extension Event {
    /// The scalar of a scalar event, with its kind; nil for other events.
    func scalar() throws(ScalarTag.Misfit) -> Scalar? {
        guard case .scalar(let text, let style, let properties, let kind) = kind else { return nil }
        if let kind { return Scalar(text: text, style: style, kind: kind) }
        return try ScalarTag.resolve(text, style, tag: properties.tag)
    }

    var properties: Properties {
        switch kind {
        case .scalar(_, _, let properties, _), .sequenceStart(let properties, _),
            .mappingStart(let properties, _):
            properties
        default: Properties()
        }
    }
}
