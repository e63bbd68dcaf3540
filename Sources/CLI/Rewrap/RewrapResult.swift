import Envelope

/// The result of rewrapping one WrappedSecret.
package struct RewrapResult: Sendable {
    package enum Outcome: Sendable, Equatable {
        case current
        /// The changed recipients, as `RecipientChange.description` formats them.
        case changed(String)
        case failed(String)
        case interrupted
    }

    /// `FILE:LINE:COLUMN: NAME`, or `NAMESPACE/NAME` in a cluster.
    package let location: String
    package let outcome: Outcome
    /// The ids of its keys before the change.
    package let previousKeyIDs: [String]
    /// The ids of its keys afterwards that are not configured. Their recipients are never changed.
    package let unconfiguredKeyIDs: [String]
    /// True for a file that could not be read, which the failure names.
    package let isUnreadableFile: Bool
    /// The recipients that break the rule for the file after the change, one line each.
    package var ruleViolations: [String] = []
    /// The rule whose recipients the options override.
    package var overriddenRule: String?

    /// True if the recipients are known to be as they should be, as far as the keys allow.
    var isDone: Bool {
        switch outcome {
        case .current, .changed: true
        case .failed, .interrupted: false
        }
    }

    init(location: String, outcome: Outcome, isUnreadableFile: Bool = false) {
        (self.location, self.outcome, self.isUnreadableFile) = (location, outcome, isUnreadableFile)
        (previousKeyIDs, unconfiguredKeyIDs) = ([], [])
    }

    init(
        location: String, outcome: Outcome, keys: KeyRing, before old: [Recipient],
        after change: EnvelopeRewrapper.Outcome
    ) {
        (self.location, self.outcome, isUnreadableFile) = (location, outcome, false)
        previousKeyIDs = old.map(\.keyID)
        // A recipient of a public key that was just added has no configured key either.
        unconfiguredKeyIDs = change.recipients(of: old).filter {
            old.contains($0) && keys.keyManager(for: $0) == nil
        }.map(\.keyID)
    }
}

/// The number of WrappedSecrets with each outcome.
package struct RewrapCounts: Sendable, Equatable {
    package private(set) var current = 0
    package private(set) var changed = 0
    package private(set) var failed = 0
    package private(set) var interrupted = 0
    /// The number of files that could not be read.
    package private(set) var unreadableFiles = 0
    /// The number of WrappedSecrets whose recipients still break their rule.
    package private(set) var breakingRules = 0

    package init() {}

    package var total: Int { current + changed + failed + interrupted }

    package mutating func add(_ result: RewrapResult) {
        guard !result.isUnreadableFile else {
            unreadableFiles += 1
            return
        }
        if !result.ruleViolations.isEmpty { breakingRules += 1 }
        switch result.outcome {
        case .current: current += 1
        case .changed: changed += 1
        case .failed: failed += 1
        case .interrupted: interrupted += 1
        }
    }
}
