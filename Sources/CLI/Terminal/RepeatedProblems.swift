import System

/// Summarises problems that differ only in their place: a wrong key for 30,000 files is one problem. The first one is
/// shown at once, and a few others in full. The rest is counted.
package struct RepeatedProblems: Sendable {
    /// The number of equal problems from which they are counted.
    private static let maximumLines = 3
    /// The number of places that a summary names.
    private static let maximumPlaces = 3

    private struct Group {
        let first: String
        var held: [(place: String, line: String)] = []
        var count = 0
    }

    private var groups: [String: Group] = [:]
    /// The messages in the order of their first occurrence.
    private var order: [String] = []

    package init() {}

    /// Adds a problem. Returns the line to show now, or nil if it is held back.
    package mutating func add(place: String, _ message: String) -> String? {
        let line = "\(place): \(message)"
        guard groups[message] != nil else {
            groups[message] = Group(first: place)
            order.append(message)
            return line
        }
        groups[message]?.count += 1
        if let held = groups[message]?.held.count, held < Self.maximumPlaces {
            groups[message]?.held.append((place, line))
        }
        return nil
    }

    /// Adds a line that begins with its place: `FILE:LINE:COLUMN: message`, or `FILE: message`.
    package mutating func add(_ line: String) -> String? {
        guard let (place, message) = Self.split(line) else { return line }
        return add(place: place, message)
    }

    /// Returns the lines for the problems that were held back.
    package mutating func finish() -> [String] {
        defer { self = RepeatedProblems() }
        return order.flatMap { message -> [String] in
            guard let group = groups[message] else { return [] }
            guard group.count >= Self.maximumLines else { return group.held.map(\.line) }
            let places = group.held.map(\.place).joined(separator: ", ")
            return ["\(group.count) more have the same problem as \(group.first): \(places), ..."]
        }
    }

    /// Returns all lines for `problems`, in order.
    package static func lines(_ problems: [String]) -> [String] {
        var repeated = RepeatedProblems()
        let shown = problems.compactMap { repeated.add($0) }
        return shown + repeated.finish()
    }

    /// Returns nil if the line does not begin with a place.
    private static func split(_ line: String) -> (place: String, message: String)? {
        let parts = line.split(separator: ": ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        return (String(parts[0]), String(parts[1]))
    }
}
