import Cryptography

// The lines around an offset.
extension SourceEditor {
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        file.bytes.withUnsafeBytes { body($0) }
    }

    /// Returns the offset of the first byte of a line, after a byte order mark.
    func lineStart(_ offset: Int) -> Int {
        withBytes { bytes in
            let start = LineBreaks.last(before: offset, in: bytes)?.upperBound ?? 0
            let mark = SourceText.byteOrderMark
            let hasMark = offset - start >= mark.count && bytes[start...].starts(with: mark)
            return hasMark ? start + mark.count : start
        }
    }

    /// Returns the offset after a line and its line break. The last line of a file may have none.
    func lineEnd(_ offset: Int) -> (offset: Int, hasBreak: Bool) {
        withBytes { bytes in
            // The range of a block scalar whose last line breaks count (`|+`) ends at the start of the next line.
            if LineBreaks.length(before: offset, in: bytes) > 0 { return (offset, true) }
            guard let found = LineBreaks.first(from: offset, in: bytes) else { return (bytes.count, false) }
            return (found.upperBound, true)
        }
    }

    /// Returns the line break of the line at `offset`, or of the line before it if it is the last.
    func lineBreak(at offset: Int) -> [UInt8] {
        withBytes { bytes in
            let found =
                LineBreaks.first(from: offset, in: bytes) ?? LineBreaks.last(before: offset, in: bytes)
            return found.map { Array(bytes[$0]) } ?? [lineFeed]
        }
    }

    /// Returns the blank lines after an offset that contain tabs, without their line breaks. A plain value that is
    /// inserted before them would continue on them, with tabs in its indentation.
    func blankLinesWithTabs(after offset: Int) -> [Range<Int>] {
        withBytes { bytes in
            var found: [Range<Int>] = []
            var start = offset
            while start < bytes.count {
                let end = LineBreaks.first(from: start, in: bytes) ?? bytes.count..<bytes.count
                let line = bytes[start..<end.lowerBound]
                guard line.allSatisfy({ $0 == space || $0 == tab }) else { break }
                if line.contains(tab) { found.append(start..<end.lowerBound) }
                start = end.upperBound
            }
            return found
        }
    }

    func bytes(_ start: Int, _ end: Int) -> [UInt8] { withBytes { Array($0[start..<max(start, end)]) } }
}

// The lines of a block scalar. libyaml ends its range at the next line that is not blank.
extension SourceEditor {
    /// Returns the offset after the last line of a node that is not blank, without its line break. In a block scalar that
    /// keeps its last line breaks (`|+`), or a collection that ends with one, the blank lines are part of the value, and this
    /// is the offset after them unless the value is replaced.
    func contentEnd(of node: YAMLNode, isReplaced: Bool = true) -> Int {
        if !isReplaced, keepsLastLineBreaks(node) { return node.range.end }
        return withBytes { bytes in
            var end = node.range.end
            while true {
                var lineStart = end
                while lineStart > node.range.start, bytes[lineStart - 1] == space { lineStart -= 1 }
                let length = LineBreaks.length(before: lineStart, in: bytes)
                guard length > 0, lineStart - length > node.range.start else { return end }
                end = lineStart - length
            }
        }
    }

    /// Returns the comment in the first line of a block scalar, with the blanks before it, or nothing.
    func headerComment(of node: YAMLNode) -> [UInt8] {
        guard let style = node.scalar?.style, style == .literal || style == .folded, !node.isAlias else {
            return []
        }
        let header = header(of: node)
        guard let sign = header.firstIndex(of: UInt8(ascii: "#")) else { return [] }
        let blanks = header[..<sign].reversed().prefix { $0 == space || $0 == tab }
        return Array(header[(sign - blanks.count)...])
    }

    private func header(of node: YAMLNode) -> [UInt8] {
        withBytes { bytes in
            let end = LineBreaks.first(from: node.range.start, in: bytes)?.lowerBound ?? bytes.count
            return Array(bytes[node.range.start..<min(end, max(node.range.start, node.range.end))])
        }
    }

    private func keepsLastLineBreaks(_ node: YAMLNode) -> Bool {
        if node.isAlias { return false }
        switch node.content {
        case .sequence(let elements): return elements.last.map(keepsLastLineBreaks) ?? false
        case .mapping(let entries):
            let last = entries.last { !$0.isMerged }
            return last.map { keepsLastLineBreaks($0.value) } ?? false
        case .scalar(let scalar):
            guard scalar.style == .literal || scalar.style == .folded else { return false }
            let header = header(of: node)
            // The indicators may be on a line after that of a tag or an anchor. They are taken for ones that keep.
            if header.first == UInt8(ascii: "!") || header.first == UInt8(ascii: "&") { return true }
            return header.prefix { $0 != UInt8(ascii: "#") }.contains(UInt8(ascii: "+"))
        }
    }
}
