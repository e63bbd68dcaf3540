import Primitives

/// Builds nodes from events: anchors, tags, keys, limits.
struct Composer {
    private let events: any EventStream
    private let text: SourceText
    /// Long keys come again and again in lists; all of a name share one string.
    private var names: Set<String> = []
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

    private static let maximumNames = 4096

    init(_ events: any EventStream, of text: SourceText) {
        self.events = events
        self.text = text
    }

    /// What `body` makes of all documents but empty ones.
    mutating func documents<Result>(_ body: (Node) -> [Result]) throws(YAMLError) -> [Result] {
        var results: [Result] = []
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamEnd:
                return results
            case .streamStart, .documentStart:
                continue
            case .documentEnd:
                anchors = [:]
                copiedNodes = 0
            default:
                let node = try compose(event, depth: 0).node
                if !node.isNull { results += body(node) }
            }
        }
    }

    private mutating func compose(
        _ event: Event, depth: Int
    ) throws(YAMLError) -> Sized {
        guard depth < Self.maximumDepth else {
            throw text.error(.tooDeep, at: event.mark, "nested deeper than \(Self.maximumDepth) levels")
        }
        switch event.kind {
        case .alias(let name):
            return try expand(name, at: event.mark)
        case .scalar(_, _, let properties, _):
            let node = Node(.scalar(try scalar(of: event)), mark: event.mark)
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
                return (
                    Node(.sequence(elements), mark: start.ending(at: max(end, closing(event, isFlow)))), size
                )
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
                let mark = start.ending(at: max(end, closing(event, isFlow)))
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
                        key: shared(name.key), keyMark: key.mark, isKeyRewritten: name.isRewritten,
                        value: value.node, isMerged: false),
                    in: text)
            }
        }
    }

    /// Where the bracket of a flow collection ends. A pair in a flow sequence (`[a: 1]`) is a mapping without one, and
    /// libyaml puts its end to some place further on.
    private func closing(_ end: Event, _ isFlow: Bool) -> Int {
        isFlow && end.mark.end > end.mark.start ? end.mark.end : 0
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

    private func scalar(of event: Event) throws(YAMLError) -> Scalar {
        do throws(ScalarTag.Misfit) {
            if let scalar = try event.scalar() { return scalar }
        } catch {
            throw text.error(.badTag, at: event.mark, error.message)
        }
        throw text.error(.syntax, at: event.mark, "not valid YAML: a value is missing")
    }

    private mutating func shared(_ name: String) -> String {
        // Shorter ones are in the string itself.
        guard name.utf8.count > 15 else { return name }
        if let known = names.firstIndex(of: name) { return names[known] }
        if names.count < Self.maximumNames { names.insert(name) }
        return name
    }
}
