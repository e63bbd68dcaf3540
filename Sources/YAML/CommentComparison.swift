/// Verifies that an edit keeps all comments and their order. Comments are found between the events of the parsers: a number
/// sign outside of scalars begins one, and so does one in the header of a block scalar.
struct CommentComparison {
    /// The position in one of the two files, and the comments that are not compared yet.
    private struct Side {
        let file: UnsafeRawBufferPointer
        var position = 0
        var comments: ArraySlice<Range<Int>> = []

        /// Finds the comments before the next event.
        ///
        /// - Parameter drops: returns whether a comment may be missing in the other file, by the offset of its number sign.
        mutating func advance(to event: ParseEvent, dropping drops: (Int) -> Bool = { _ in false }) {
            switch event.kind {
            case .streamEnd: find(upTo: file.count, drops)
            case .scalar(_, let style, _, _) where event.range.end > event.range.start:
                find(upTo: event.range.start, drops)
                if style == .literal || style == .folded {
                    let header = LineBreaks.first(from: position, in: file)?.lowerBound ?? file.count
                    find(upTo: min(header, event.range.end), drops)
                }
                position = max(position, event.range.end)
            // The end of a block has no text, and its range is that of the next token.
            case .sequenceEnd, .mappingEnd:
                guard event.range.end > event.range.start else { return }
                find(upTo: event.range.start, drops)
                position = max(position, event.range.end)
            default: break
            }
        }

        mutating func find(upTo end: Int, _ drops: (Int) -> Bool) {
            while position < end, let sign = file[position..<end].firstIndex(of: UInt8(ascii: "#")) {
                let lineEnd = LineBreaks.first(from: sign, in: file)?.lowerBound ?? file.count
                if !drops(sign) { comments.append(sign..<lineEnd) }
                position = lineEnd
            }
            position = max(position, end)
        }
    }

    private var old: Side
    private var new: Side
    /// The end of the last removed node, after which the comments on the same line belong to it. It is nil after other text.
    private var removedEnd: Int?
    /// The end of the line of the last removed node. Many may be on one line, whose end is found once.
    private var removedLineEnd: Int?

    init(_ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer) {
        self.old = Side(file: old)
        self.new = Side(file: new)
    }

    /// - Parameter isRemoved: whether the event is one of a removed node, but not its first.
    mutating func addOld(_ event: ParseEvent, isRemoved: Bool) {
        let end = endOfDroppedComments
        old.advance(to: event) { sign in isRemoved || sign < end }
        forgetPassedNode()
    }

    /// Finds the comments before a node that is removed. They stay, except one at the end of the line of another removed node.
    mutating func beginRemoved(at start: Int) {
        let end = endOfDroppedComments
        old.find(upTo: start) { sign in sign < end }
        forgetPassedNode()
    }

    /// Marks the end of a removed node: a comment after it on its line belongs to it.
    mutating func endRemoved() {
        removedEnd = old.position
        if let end = removedLineEnd, old.position <= end { return }
        removedLineEnd = LineBreaks.first(from: old.position, in: old.file)?.lowerBound ?? old.file.count
    }

    /// The offset before which the comments that follow belong to a removed node.
    private var endOfDroppedComments: Int {
        // A block scalar ends after its line break.
        guard let removedEnd, let removedLineEnd, LineBreaks.length(before: removedEnd, in: old.file) == 0
        else {
            return 0
        }
        return removedLineEnd
    }

    private mutating func forgetPassedNode() {
        if old.position != removedEnd { removedEnd = nil }
    }

    mutating func addNew(_ event: ParseEvent) { new.advance(to: event) }

    /// Compares the comments that were found in both files, at the end also those of one.
    ///
    /// - Returns: the offset in the old file of a comment that was lost or changed, or nil.
    mutating func firstLoss(isAtEnd: Bool = false) -> Int? {
        while let before = old.comments.first, let after = new.comments.first {
            guard old.file[before].elementsEqual(new.file[after]) else { return before.lowerBound }
            old.comments.removeFirst()
            new.comments.removeFirst()
        }
        guard isAtEnd else { return nil }
        return old.comments.first?.lowerBound ?? (new.comments.isEmpty ? nil : old.file.count)
    }
}
