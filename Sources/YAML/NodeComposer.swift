import System

/// Builds nodes from events: anchors, tags, keys, limits.
struct NodeComposer {
    private let events: any ParseEventStream
    private let text: SourceText
    /// Long keys come again and again in lists; all of a name share one string.
    private var names: Set<String> = []
    private var anchors: [String: Anchor] = [:]
    /// Nodes that aliases have added so far.
    private var copiedNodes = 0

    private enum Anchor {
        case open
        case done(YAMLNode, size: Int)
    }

    /// A node and how many nodes it holds, itself and copies included.
    private typealias Sized = (node: YAMLNode, size: Int)

    static let maximumDepth = 100
    /// Far above what manifests use, far below what a "billion laughs" needs.
    static let maximumAliasedNodes = 100_000

    private static let maximumNames = 4096

    init(_ events: any ParseEventStream, of text: SourceText) {
        self.events = events
        self.text = text
    }

    /// What `body` makes of all documents but empty ones.
    mutating func documents<Result>(_ body: (YAMLNode) -> [Result]) throws(YAMLError) -> [Result] {
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
        _ event: ParseEvent, depth: Int
    ) throws(YAMLError) -> Sized {
        guard depth < Self.maximumDepth else {
            throw text.error(.tooDeep, at: event.range, "nested deeper than \(Self.maximumDepth) levels")
        }
        switch event.kind {
        case .alias(let name):
            return try expand(name, at: event.range)
        case .scalar(_, _, let properties, _):
            let node = YAMLNode(.scalar(try scalar(of: event)), mark: event.range)
            return keep((node, 1), as: properties.anchor)
        case .sequenceStart(let properties, let isFlow):
            open(properties.anchor)
            return keep(
                try composeSequence(event.range, isFlow: isFlow, depth: depth), as: properties.anchor)
        case .mappingStart(let properties, let isFlow):
            open(properties.anchor)
            return keep(
                try composeMapping(event.range, isFlow: isFlow, depth: depth), as: properties.anchor)
        default:
            throw text.error(.syntax, at: event.range, "not valid YAML: a value is missing")
        }
    }

    private mutating func composeSequence(
        _ start: SourceRange, isFlow: Bool, depth: Int
    ) throws(YAMLError) -> Sized {
        var elements: [YAMLNode] = []
        var size = 1
        var end = start.end
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind {
                return (
                    YAMLNode(.sequence(elements), mark: start.ending(at: max(end, closing(event, isFlow)))),
                    size
                )
            }
            let element = try compose(event, depth: depth + 1)
            elements.append(element.node)
            size += element.size
            end = element.node.range.end
        }
    }

    private mutating func composeMapping(
        _ start: SourceRange, isFlow: Bool, depth: Int
    ) throws(YAMLError) -> Sized {
        var mapping = MappingBuilder()
        var size = 1
        var end = start.end
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind {
                let mark = start.ending(at: max(end, closing(event, isFlow)))
                return (YAMLNode(.mapping(mapping.entries), mark: mark), size)
            }
            let key = try compose(event, depth: depth + 1).node
            let value = try compose(try events.next(), depth: depth + 1)
            size += value.size + 1
            end = max(value.node.range.end, key.range.end)
            if MergeKey.matches(key) {
                try MergeKey.merge(value.node, at: key.range, into: &mapping, in: text)
            } else {
                let name = try MappingKey.name(of: key, in: text)
                try mapping.append(
                    YAMLNode.Entry(
                        key: shared(name.key), keyRange: key.range, isKeyCoerced: name.isRewritten,
                        value: value.node, isMerged: false),
                    in: text)
            }
        }
    }

    /// Where the bracket of a flow collection ends. A pair in a flow sequence (`[a: 1]`) is a mapping without one, and
    /// libyaml puts its end to some place further on.
    private func closing(_ end: ParseEvent, _ isFlow: Bool) -> Int {
        isFlow && end.range.end > end.range.start ? end.range.end : 0
    }

    private mutating func open(_ anchor: String?) {
        if let anchor { anchors[anchor] = .open }
    }

    private mutating func keep(_ sized: Sized, as anchor: String?) -> Sized {
        if let anchor { anchors[anchor] = .done(sized.node, size: sized.size) }
        return sized
    }

    private mutating func expand(_ name: String, at mark: SourceRange) throws(YAMLError) -> Sized {
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
            guard copiedNodes <= Self.maximumAliasedNodes else {
                throw text.error(
                    .badAlias, at: mark,
                    "aliases add more than \(Self.maximumAliasedNodes) nodes; write the values out")
            }
            return (YAMLNode(node.content, mark: mark, isAlias: true), size)
        }
    }

    private func scalar(of event: ParseEvent) throws(YAMLError) -> YAMLScalar {
        do throws(ScalarTag.MismatchError) {
            if let scalar = try event.scalar() { return scalar }
        } catch {
            throw text.error(.badTag, at: event.range, error.message)
        }
        throw text.error(.syntax, at: event.range, "not valid YAML: a value is missing")
    }

    private mutating func shared(_ name: String) -> String {
        // Shorter ones are in the string itself.
        guard name.utf8.count > 15 else { return name }
        if let known = names.firstIndex(of: name) { return names[known] }
        if names.count < Self.maximumNames { names.insert(name) }
        return name
    }
}
