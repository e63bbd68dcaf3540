/// Columns for a terminal, as kubectl lays them out.
package struct TextTable: Sendable {
    private var rows: [[StyledText]]

    package init(_ titles: [String]) { rows = [titles.map { StyledText($0) }] }

    /// `colours`: of cells, by their column.
    package mutating func add(_ cells: [String], colours: [Int: Colour] = [:]) {
        rows.append(cells.enumerated().map { StyledText($1, colours[$0]) })
    }

    /// A line each; cells of a column start at the same place, three spaces after the widest before them. Colours take
    /// no place.
    package var styledLines: [StyledText] {
        let lengths = rows.map { $0.map(\.plain.count) }
        let widths = (0..<(lengths.map(\.count).max() ?? 0)).map { column in
            lengths.compactMap { column < $0.count ? $0[column] : nil }.max() ?? 0
        }
        return zip(rows, lengths).map { row, lengths in
            row.indices.reduce(StyledText("")) { line, column in
                let padding = column == row.count - 1 ? 0 : widths[column] + 3 - lengths[column]
                return line + row[column] + StyledText(String(repeating: " ", count: padding))
            }
        }
    }

    package var lines: [String] { styledLines.map(\.plain) }
}
