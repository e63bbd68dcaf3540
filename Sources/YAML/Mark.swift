/// Where a node stands in its file.
package struct Mark: Sendable, Equatable {
    /// Counted from 1; a line ends at a line feed.
    package let line: Int
    /// Counted from 1, in Unicode scalars.
    package let column: Int
    /// Byte offsets into the file, a byte order mark included: the first byte of the node (of its tag or
    /// anchor, where it has one), and the byte after its last.
    ///
    /// A block scalar ends after its last line break, a block mapping or sequence where its last element
    /// does, so that comments after it stay outside.
    package let start: Int
    package let end: Int

    package init(line: Int, column: Int, start: Int, end: Int) {
        self.line = line
        self.column = column
        self.start = start
        self.end = end
    }

    /// `SOURCE:LINE:COLUMN`, as compilers write it.
    package func location(in source: String) -> String { "\(source):\(line):\(column)" }

    func ending(at end: Int) -> Mark { Mark(line: line, column: column, start: start, end: end) }
}
