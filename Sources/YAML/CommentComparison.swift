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
    /// The offset after which the comments on the same line belong to a removed node.
    private var removedEnd: Int?

    init(_ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer) {
        self.old = Side(file: old)
        self.new = Side(file: new)
    }

    /// - Parameter isRemoved: whether the event is one of a removed node, but not its first.
    mutating func addOld(_ event: ParseEvent, isRemoved: Bool) {
        let (file, removedEnd) = (old.file, removedEnd)
        old.advance(to: event) { sign in
            if isRemoved { return true }
            guard let removedEnd else { return false }
            return LineBreaks.length(before: removedEnd, in: file) == 0
                && LineBreaks.first(from: removedEnd, in: UnsafeRawBufferPointer(rebasing: file[..<sign]))
                    == nil
        }
        if old.position != removedEnd { self.removedEnd = nil }
    }

    /// Finds the comments before a node that is removed. They stay.
    mutating func beginRemoved(at start: Int) { old.find(upTo: start) { _ in false } }

    /// Marks the end of a removed node: a comment after it on its line belongs to it.
    mutating func endRemoved() { removedEnd = old.position }

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
