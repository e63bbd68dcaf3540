/// What came of one row.
package struct RewrapResult: Sendable {
    package enum Outcome: Sendable, Equatable {
        case current
        /// How, in words.
        case changed(String)
        case failed(String)
        case interrupted
    }

    /// Where it is: file, line and column, or namespace and name.
    package let location: String
    package let outcome: Outcome
    /// The keys that it listed before.
    package let previousKeyIDs: [String]
    /// Listed keys that are none of ours, so that they were left alone.
    package let unconfiguredKeyIDs: [String]
    /// Whether it is a file that could not be read, and no WrappedSecret. The failure names it.
    package var isUnreadableFile = false
}

/// How many rows came to what.
package struct RewrapCounts: Sendable, Equatable {
    package private(set) var current = 0
    package private(set) var changed = 0
    package private(set) var failed = 0
    package private(set) var interrupted = 0
    /// Files that could not be read.
    package private(set) var unreadableFiles = 0

    package init() {}

    package var total: Int { current + changed + failed + interrupted }

    package mutating func add(_ row: RewrapResult) {
        guard !row.isUnreadableFile else {
            unreadableFiles += 1
            return
        }
        switch row.outcome {
        case .current: current += 1
        case .changed: changed += 1
        case .failed: failed += 1
        case .interrupted: interrupted += 1
        }
    }
}
