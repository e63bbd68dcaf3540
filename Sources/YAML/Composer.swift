import Primitives

/// Builds the nodes of one document from events: anchors, tags, keys, limits.
struct Composer: ~Copyable {
    private var events: EventParser
    private let text: SourceText
    private var anchors: [String: Anchor] = [:]
    /// Nodes that aliases have added so far.
    private var copiedNodes = 0

    private enum Anchor {
        case open
        case done(Node, size: Int)
    }

    /// A node and how many nodes it holds, itself and copies included.
    private typealias Sized = (node: Node, size: Int)

    static let maximumDepth = 100
    /// Far above what manifests use, far below what a "billion laughs" needs.
    static let maximumCopiedNodes = 100_000

    init(_ text: SourceText) {
        self.text = text
        events = EventParser(text)
    }

    /// All documents but empty ones.
    mutating func documents() throws(YAMLError) -> [Node] {
        var documents: [Node] = []
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamEnd:
                return documents
            case .streamStart, .documentStart:
                continue
            case .documentEnd:
                anchors = [:]
                copiedNodes = 0
            default:
                let node = try compose(event, depth: 0).node
                if !node.isNull { documents.append(node) }
            }
        }
    }

    private mutating func compose(
        _ event: EventParser.Event, depth: Int
    ) throws(YAMLError) -> Sized {
        guard depth < Self.maximumDepth else {
            throw text.error(.tooDeep, at: event.mark, "nested deeper than \(Self.maximumDepth) levels")
        }
        switch event.kind {
        case .alias(let name):
            return try expand(name, at: event.mark)
        case .scalar(let bytes, let style, let properties):
            let scalar = try resolve(bytes, style, tag: properties.tag, at: event.mark)
            let node = Node(.scalar(scalar), mark: event.mark)
            return keep((node, 1), as: properties.anchor)
        case .sequenceStart(let properties, let isFlow):
            open(properties.anchor)
            return keep(
                try composeSequence(event.mark, isFlow: isFlow, depth: depth), as: properties.anchor)
        case .mappingStart(let properties, let isFlow):
            open(properties.anchor)
            return keep(
                try composeMapping(event.mark, isFlow: isFlow, depth: depth), as: properties.anchor)
        default:
            throw text.error(.syntax, at: event.mark, "not valid YAML: a value is missing")
        }
    }

    private mutating func composeSequence(
        _ start: Mark, isFlow: Bool, depth: Int
    ) throws(YAMLError) -> Sized {
        var elements: [Node] = []
        var size = 1
        var end = start.end
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind {
                let mark = start.ending(at: isFlow ? event.mark.end : end)
                return (Node(.sequence(elements), mark: mark), size)
            }
            let element = try compose(event, depth: depth + 1)
            elements.append(element.node)
            size += element.size
            end = element.node.mark.end
        }
    }

    private mutating func composeMapping(
        _ start: Mark, isFlow: Bool, depth: Int
    ) throws(YAMLError) -> Sized {
        var mapping = MappingBuilder()
        var size = 1
        var end = start.end
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind {
                let mark = start.ending(at: isFlow ? event.mark.end : end)
                return (Node(.mapping(mapping.entries), mark: mark), size)
            }
            let key = try compose(event, depth: depth + 1).node
            let value = try compose(try events.next(), depth: depth + 1)
            size += value.size + 1
            end = max(value.node.mark.end, key.mark.end)
            if MergeKey.matches(key) {
                try MergeKey.merge(value.node, at: key.mark, into: &mapping, in: text)
            } else {
                let name = try MappingKey.name(of: key, in: text)
                try mapping.append(
                    Node.Entry(
                        key: name.key, keyMark: key.mark, isKeyRewritten: name.isRewritten,
                        value: value.node, isMerged: false),
                    in: text)
            }
        }
    }

    private mutating func open(_ anchor: String?) {
        if let anchor { anchors[anchor] = .open }
    }

    private mutating func keep(_ sized: Sized, as anchor: String?) -> Sized {
        if let anchor { anchors[anchor] = .done(sized.node, size: sized.size) }
        return sized
    }

    private mutating func expand(_ name: String, at mark: Mark) throws(YAMLError) -> Sized {
        // The name stays out of messages: it may be a value that lacks its quotes.
        switch anchors[name] {
        case nil:
            throw text.error(
                .badAlias, at: mark, "an alias without an anchor before it; quote values that start with *")
        case .open:
            throw text.error(
                .badAlias, at: mark, "an alias stands inside its own anchor; write the value out")
        case .done(let node, let size):
            copiedNodes += size
            guard copiedNodes <= Self.maximumCopiedNodes else {
                throw text.error(
                    .badAlias, at: mark,
                    "aliases add more than \(Self.maximumCopiedNodes) nodes; write the values out")
            }
            return (Node(node.content, mark: mark, isAlias: true), size)
        }
    }

    private func resolve(
        _ bytes: SharedSecret, _ style: Scalar.Style, tag: String?, at mark: Mark
    ) throws(YAMLError) -> Scalar {
        do throws(ScalarTag.Misfit) {
            return try ScalarTag.resolve(bytes, style, tag: tag)
        } catch {
            throw text.error(.badTag, at: mark, error.message)
        }
    }
}
