/// Where a node stands in its file.
package struct SourceRange: Sendable, Equatable {
    // Files have at most `YAMLReader.maximumBytes`, and a large one has millions of marks.
    private let storedLine: UInt32
    private let storedColumn: UInt32
    private let storedStart: UInt32
    private let storedEnd: UInt32

    package init(line: Int, column: Int, start: Int, end: Int) {
        storedLine = UInt32(clamping: line)
        storedColumn = UInt32(clamping: column)
        storedStart = UInt32(clamping: start)
        storedEnd = UInt32(clamping: end)
    }

    /// Counted from 1; a line ends at a line feed.
    package var line: Int { Int(storedLine) }
    /// Counted from 1, in Unicode scalars.
    package var column: Int { Int(storedColumn) }
    /// Byte offsets into the file, a byte order mark included: the first byte of the node (of its tag or
    /// anchor, where it has one), and the byte after its last.
    ///
    /// A block scalar ends after its last line break, a block mapping or sequence where its last element
    /// does, so that comments after it stay outside.
    package var start: Int { Int(storedStart) }
    package var end: Int { Int(storedEnd) }

    /// `SOURCE:LINE:COLUMN`, as compilers write it.
    package func location(in source: String) -> String { "\(source):\(line):\(column)" }

    func ending(at end: Int) -> SourceRange {
        SourceRange(line: line, column: column, start: start, end: end)
    }
}
