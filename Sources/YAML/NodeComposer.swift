import System

/// Builds nodes from events. It resolves aliases, tags and merge keys, and keeps the limits.
struct NodeComposer {
    private let events: any ParseEventStream
    private let text: SourceText
    /// Long keys, which repeat in lists; equal ones share one string.
    private var names: Set<String> = []
    private var anchors: [String: Anchor] = [:]
    /// The nodes that aliases have added so far, in all documents of the file.
    private var aliased = NodeSize()

    private enum Anchor {
        case open
        case done(Sized)
    }

    /// The nodes in a node, itself and the copies of aliases included.
    private struct NodeSize {
        var nodes = 0
        /// The length of all keys and scalars. Readers copy them for each use of an alias.
        var bytes = 0

        static func += (left: inout NodeSize, right: NodeSize) {
            left.nodes += right.nodes
            left.bytes += right.bytes
        }
    }

    private typealias Sized = (node: YAMLNode, size: NodeSize)

    static let maximumDepth = 100
    /// Manifests need far fewer; a "billion laughs" attack needs far more.
    static let maximumAliasedNodes = 100_000
    /// An object of Kubernetes has at most 1.5 MiB.
    static let maximumAliasedBytes = 4 << 20

    private static let maximumNames = 4096

    init(_ events: any ParseEventStream, of text: SourceText) {
        self.events = events
        self.text = text
    }

    /// Returns the results of `body` for all documents that are not empty.
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
            let scalar = try scalar(of: event)
            let size = NodeSize(nodes: 1, bytes: scalar.text.count)
            return keep((YAMLNode(.scalar(scalar), range: event.range), size), as: properties.anchor)
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
        var size = NodeSize(nodes: 1)
        var end = start.end
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind {
                return (
                    YAMLNode(.sequence(elements), range: start.ending(at: max(end, closing(event, isFlow)))),
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
        var size = NodeSize(nodes: 1)
        var end = start.end
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind {
                let range = start.ending(at: max(end, closing(event, isFlow)))
                return (YAMLNode(.mapping(mapping.entries), range: range), size)
            }
            let (key, keySize) = try compose(event, depth: depth + 1)
            let value = try compose(try events.next(), depth: depth + 1)
            size += keySize
            size += value.size
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

    /// Returns the end of the bracket that closes a flow collection, or 0. A pair in a flow sequence (`[a: 1]`) is a mapping
    /// without a bracket, whose end event libyaml places after the pair.
    private func closing(_ end: ParseEvent, _ isFlow: Bool) -> Int {
        isFlow && end.range.end > end.range.start ? end.range.end : 0
    }

    private mutating func open(_ anchor: String?) {
        if let anchor { anchors[anchor] = .open }
    }

    private mutating func keep(_ sized: Sized, as anchor: String?) -> Sized {
        if let anchor { anchors[anchor] = .done(sized) }
        return sized
    }

    private mutating func expand(_ name: String, at range: SourceRange) throws(YAMLError) -> Sized {
        // Messages do not quote the name, which may be a secret value without its quotes.
        switch anchors[name] {
        case nil:
            throw text.error(
                .badAlias, at: range, "an alias without an anchor before it; quote values that start with *")
        case .open:
            throw text.error(
                .badAlias, at: range, "an alias is inside its own anchor; write the value out")
        case .done((let node, let size)):
            aliased += size
            guard aliased.nodes <= Self.maximumAliasedNodes else {
                throw text.error(
                    .badAlias, at: range,
                    "aliases add more than \(Self.maximumAliasedNodes) nodes; write the values out")
            }
            guard aliased.bytes <= Self.maximumAliasedBytes else {
                throw text.error(
                    .badAlias, at: range,
                    "aliases add more than \(Self.maximumAliasedBytes >> 20) MiB of text; write the values out"
                )
            }
            return (YAMLNode(node.content, range: range, isAlias: true), size)
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
        // Swift stores up to 15 bytes in the string itself.
        guard name.utf8.count > 15 else { return name }
        if let known = names.firstIndex(of: name) { return names[known] }
        if names.count < Self.maximumNames { names.insert(name) }
        return name
    }
}
