/// What came of one row.
package struct RewrapRow: Sendable {
    package enum Outcome: Sendable, Equatable {
        case current
        /// How, in words.
        case moved(String)
        case failed(String)
        case interrupted
    }

    /// Where it is: file, line and column, or namespace and name.
    package let place: String
    package let outcome: Outcome
    /// The keys that it listed before.
    package let listed: [String]
    /// Listed keys that are none of ours, so that they were left alone.
    package let foreign: [String]
    /// Whether it is a file that could not be read, and no WrappedSecret. The failure names it.
    package var isFile = false
}

/// How many rows came to what.
package struct RewrapCounts: Sendable, Equatable {
    package private(set) var current = 0
    package private(set) var moved = 0
    package private(set) var failed = 0
    package private(set) var interrupted = 0
    /// Files that could not be read.
    package private(set) var unreadFiles = 0

    package init() {}

    package var all: Int { current + moved + failed + interrupted }

    package mutating func add(_ row: RewrapRow) {
        guard !row.isFile else {
            unreadFiles += 1
            return
        }
        switch row.outcome {
        case .current: current += 1
        case .moved: moved += 1
        case .failed: failed += 1
        case .interrupted: interrupted += 1
        }
    }
}
