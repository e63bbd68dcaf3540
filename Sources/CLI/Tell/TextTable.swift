/// Columns for a terminal, as kubectl lays them out.
package struct TextTable: Sendable {
    private var rows: [[String]]

    package init(_ titles: [String]) { rows = [titles.map(\.visible)] }

    package mutating func add(_ cells: [String]) { rows.append(cells.map(\.visible)) }

    /// A line each; cells of a column start at the same place, three spaces after the widest before them.
    package var lines: [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.compactMap { column < $0.count ? $0[column].count : nil }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] + 3 - cell.count)
            }
            return cells.joined()
        }
    }
}
