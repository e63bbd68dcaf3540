import System

/// Sums up problems that differ in nothing but their place: a wrong key over 30,000 files is one problem. The first one is
/// shown at once, the others are held back and counted; a few of them are shown as they are.
package struct RepeatedProblems: Sendable {
    /// As many equal ones are a line each.
    private static let maximumLines = 3
    /// Places that a sum names.
    private static let maximumPlaces = 3

    private struct Group {
        let first: String
        var held: [(place: String, line: String)] = []
        var count = 0
    }

    private var groups: [String: Group] = [:]
    /// Messages, in the order in which they came.
    private var order: [String] = []

    package init() {}

    /// Takes in one problem. Returns the line to show now, if it is not one to be held back.
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

    /// Takes in a line that begins with its place: `FILE:LINE:COLUMN: message`, or `FILE: message`.
    package mutating func add(_ line: String) -> String? {
        guard let (place, message) = Self.split(line) else { return line }
        return add(place: place, message)
    }

    /// The lines for what was held back.
    package mutating func finish() -> [String] {
        defer { self = RepeatedProblems() }
        return order.flatMap { message -> [String] in
            guard let group = groups[message] else { return [] }
            guard group.count >= Self.maximumLines else { return group.held.map(\.line) }
            let places = group.held.map(\.place).joined(separator: ", ")
            return ["\(group.count) more have the same problem as \(group.first): \(places), ..."]
        }
    }

    /// All lines for `problems`, in order.
    package static func lines(_ problems: [String]) -> [String] {
        var repeated = RepeatedProblems()
        let shown = problems.compactMap { repeated.add($0) }
        return shown + repeated.finish()
    }

    /// Nil if no place is in front.
    private static func split(_ line: String) -> (place: String, message: String)? {
        let parts = line.split(separator: ": ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        return (String(parts[0]), String(parts[1]))
    }
}
