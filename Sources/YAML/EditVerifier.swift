import Cryptography

/// Verifies that an edited file reads as the original with exactly the intended changes. It compares the events of both
/// files while it parses each once, and builds neither document in memory.
struct EditVerifier {
    private let text: SourceText
    private let old: any ParseEventStream
    private let new: any ParseEventStream
    private let expected: ExpectedChanges
    private var comments: CommentComparison
    /// True while the events of a removed node are read.
    private var isSkipping = false
    /// The number of intended changes that were found.
    private var found = 0
    /// The anchors of changed nodes, whose aliases would change too.
    private var changedAnchors: Set<String> = []
    /// The position of the node of the original file that is being compared, for errors.
    private var place = SourceRange(line: 1, column: 1, start: 0, end: 0)

    /// - Throws: `SourceEditError` with the position in the original file from which the two differ.
    static func verify(
        from old: SharedSecret, to new: SharedSecret, _ expected: ExpectedChanges
    ) throws(SourceEditError) {
        defer { withExtendedLifetime((old, new)) {} }
        try old.bytes.withUnsafeBytes { before throws(SourceEditError) in
            try new.bytes.withUnsafeBytes { after throws(SourceEditError) in
                let texts: (SourceText, SourceText)
                do throws(YAMLError) {
                    texts = (try SourceText(before, name: ""), try SourceText(after, name: ""))
                } catch {
                    throw SourceEditError(
                        line: 1, column: 1,
                        problem: "could not be parsed after the edit (\(error.message)); \(remedy)")
                }
                var verifier = EditVerifier(
                    text: texts.0, old: YAMLReader.events(of: texts.0), new: YAMLReader.events(of: texts.1),
                    expected: expected, comments: CommentComparison(before, after))
                try verifier.run()
            }
        }
    }

    private static let remedy =
        "the file was not changed; put the value into double quotes, or write this block in the layout that "
        + "secrets-bridge wrap writes"
    private static let commentRemedy =
        "the file was not changed; move the comment to a line of its own above the item"

    private mutating func run() throws(SourceEditError) {
        while true {
            let (before, after) = (try nextOld(), try nextNew())
            switch (before.kind, after.kind) {
            case (.streamStart, .streamStart), (.documentStart, .documentStart): continue
            case (.documentEnd, .documentEnd): changedAnchors = []
            case (.streamEnd, .streamEnd):
                guard found == expected.count else { throw mismatch() }
                try checkComments(isAtEnd: true)
                return
            default: try compare(before, after, depth: 0)
            }
        }
    }

    private mutating func nextOld() throws(SourceEditError) -> ParseEvent {
        let event = try next(old)
        comments.addOld(event, isRemoved: isSkipping)
        return event
    }

    private mutating func nextNew() throws(SourceEditError) -> ParseEvent {
        let event = try next(new)
        comments.addNew(event)
        return event
    }

    private mutating func checkComments(isAtEnd: Bool = false) throws(SourceEditError) {
        guard let offset = comments.firstLoss(isAtEnd: isAtEnd) else { return }
        place = text.position(ofFileOffset: offset)
        throw error("would lose or change a comment by the edit", remedy: Self.commentRemedy)
    }

    private func next(_ events: any ParseEventStream) throws(SourceEditError) -> ParseEvent {
        do throws(YAMLError) {
            return try events.next()
        } catch {
            throw self.error("could not be parsed after the edit (\(error.message))")
        }
    }

    private func error(_ problem: String, remedy: String = remedy) -> SourceEditError {
        SourceEditError(line: place.line, column: place.column, problem: "\(problem); \(remedy)")
    }

    private func mismatch() -> SourceEditError {
        error("would have a value other than the intended one after the edit")
    }

    private mutating func compare(
        _ before: ParseEvent, _ after: ParseEvent, depth: Int, isKey: Bool = false
    ) throws(SourceEditError) {
        try checkComments()
        place = before.range
        let foundBefore = found
        switch (before.kind, after.kind) {
        case (.alias(let name), .alias(let other)):
            guard name == other else { throw mismatch() }
            guard !changedAnchors.contains(name) else {
                throw error("is an alias of an edited value and would change too")
            }
        case (.scalar, .scalar):
            if !isKey, let text = expected.replaced[before.range.start] {
                found += 1
                try check(after, isString: text)
            } else {
                try checkSame(before, after)
            }
        case (.sequenceStart, .sequenceStart) where before.nodeProperties == after.nodeProperties:
            try compareElements(before.range.start, depth: depth)
        case (.mappingStart, .mappingStart) where before.nodeProperties == after.nodeProperties:
            try comparePairs(before.range.start, depth: depth)
        default: throw mismatch()
        }
        guard let anchor = before.nodeProperties.anchor else { return }
        if found > foundBefore { changedAnchors.insert(anchor) } else { changedAnchors.remove(anchor) }
    }

    private mutating func compareElements(_ start: Int, depth: Int) throws(SourceEditError) {
        let removed = expected.removedElements[start] ?? []
        var index = 0
        while true {
            let before = try nextOld()
            if case .sequenceEnd = before.kind { break }
            if removed.contains(index) {
                try skipRemoved(before)
            } else {
                try compare(before, try nextNew(), depth: depth + 1)
            }
            index += 1
        }
        for value in expected.addedElements[start] ?? [] {
            try check(try nextNew(), is: value, depth: depth + 1)
            found += 1
        }
        guard case .sequenceEnd = try nextNew().kind else { throw mismatch() }
    }

    private mutating func comparePairs(_ start: Int, depth: Int) throws(SourceEditError) {
        var (isAnyRemoved, hasMergeKey) = (false, false)
        while true {
            let key = try nextOld()
            if case .mappingEnd = key.kind { break }
            if Self.isMergeKey(key) { hasMergeKey = true }
            if expected.removedKeys.contains(key.range.start) {
                isAnyRemoved = true
                try skipRemoved(key, isPair: true)
            } else {
                try compare(key, try nextNew(), depth: depth + 1, isKey: true)
                if let value = expected.filledKeys[key.range.start] {
                    found += 1
                    try skipNode(try nextOld())
                    try check(try nextNew(), is: value, depth: depth + 1)
                } else {
                    try compare(try nextOld(), try nextNew(), depth: depth + 1)
                }
            }
        }
        // Without the removed pair, a pair of the merged mapping with the same key would take effect.
        guard !(isAnyRemoved && hasMergeKey) else { throw error("is in a mapping with a merge key (<<)") }
        for (key, value) in expected.addedPairs[start] ?? [] {
            try check(try nextNew(), isString: Array(key.utf8))
            try check(try nextNew(), is: value, depth: depth + 1)
            found += 1
        }
        guard case .mappingEnd = try nextNew().kind else { throw mismatch() }
    }

    /// Skips a removed element, or the key and value of a removed pair, of the original file. The comments in it, and the one
    /// on its last line, are removed too.
    private mutating func skipRemoved(
        _ event: ParseEvent, isPair: Bool = false
    ) throws(SourceEditError) {
        place = event.range
        found += 1
        comments.beginRemoved(at: event.range.start)
        isSkipping = true
        defer {
            isSkipping = false
            comments.endRemoved()
        }
        try skipNode(event)
        if isPair { try skipNode(try nextOld()) }
    }

    private mutating func skipNode(_ event: ParseEvent) throws(SourceEditError) {
        var event = event
        var open = 0
        while true {
            if let anchor = event.nodeProperties.anchor { changedAnchors.insert(anchor) }
            switch event.kind {
            case .sequenceStart, .mappingStart: open += 1
            case .sequenceEnd, .mappingEnd: open -= 1
            default: break
            }
            guard open > 0 else { return }
            event = try nextOld()
        }
    }

    private mutating func check(
        _ event: ParseEvent, is value: SourceEditor.NewValue, depth: Int
    ) throws(SourceEditError) {
        guard depth + 1 < NodeComposer.maximumDepth else { throw mismatch() }
        if case .string(let text) = value { return try check(event, isString: Array(text.utf8)) }
        guard case .mappingStart = event.kind, event.nodeProperties == ParseEvent.NodeProperties() else {
            throw mismatch()
        }
        for (key, value) in value.pairs ?? [] {
            try check(try nextNew(), isString: Array(key.utf8))
            try check(try nextNew(), is: value, depth: depth + 1)
        }
        guard case .mappingEnd = try nextNew().kind else { throw mismatch() }
    }

    private func check(_ event: ParseEvent, isString text: [UInt8]) throws(SourceEditError) {
        guard event.nodeProperties == ParseEvent.NodeProperties(), let scalar = try? event.scalar(),
            scalar.valueType == .string,
            scalar.text.withUnsafeBytes({ $0.elementsEqual(text) })
        else { throw mismatch() }
    }

    private func checkSame(_ before: ParseEvent, _ after: ParseEvent) throws(SourceEditError) {
        guard case .scalar(let text, let style, let properties, let type) = before.kind,
            case .scalar(let otherText, let otherStyle, let otherProperties, let otherType) = after.kind,
            properties == otherProperties, text.equals(otherText), (style == .plain) == (otherStyle == .plain)
        else { throw mismatch() }
        // Only JSON events carry a type. If both files have one syntax, equal texts have equal types.
        guard (type == nil) != (otherType == nil) else { return }
        guard (try? before.scalar())?.valueType == (try? after.scalar())?.valueType else { throw mismatch() }
    }

    private static func isMergeKey(_ event: ParseEvent) -> Bool {
        guard case .scalar = event.kind, let scalar = try? event.scalar() else { return false }
        return MergeKey.matches(YAMLNode(.scalar(scalar), range: event.range))
    }
}
