import HTTP

/// Whether a call that failed is tried again, and when. One for each call. Pure.
struct AWSAttempts {
    /// What may pass.
    enum Trouble: Equatable {
        case throttled(retryAfter: Duration?)
        /// No answer in time.
        case timeout
        case outage(retryAfter: Duration?)
        /// AWS does not take the credentials, and there may be others.
        case credentialsReplaced
        /// The clock was wrong, and is known now.
        case clockCorrected
    }

    enum Step: Equatable {
        case giveUp
        case again(after: Duration)
    }

    /// The first one included. New credentials and a corrected clock are not counted: each comes once.
    static let maximum = 3

    private var made = 0
    private var withdrawn = 0
    private var pauses = Backoff(base: .milliseconds(100), maximum: .seconds(20))
    private var longerPauses = Backoff(base: .seconds(1), maximum: .seconds(20))
    private var hasReplacedCredentials = false
    private var hasCorrectedClock = false

    mutating func next(after trouble: Trouble, budget: inout AWSRetryBudget) -> Step {
        switch trouble {
        case .credentialsReplaced:
            guard !hasReplacedCredentials else { return .giveUp }
            hasReplacedCredentials = true
            return .again(after: .zero)
        case .clockCorrected:
            guard !hasCorrectedClock else { return .giveUp }
            hasCorrectedClock = true
            return .again(after: .zero)
        case .throttled(let asked):
            return counted(AWSRetryBudget.cost, &budget, after: asked ?? longerPauses.next())
        case .outage(let asked):
            return counted(AWSRetryBudget.cost, &budget, after: asked ?? pauses.next())
        case .timeout:
            return counted(AWSRetryBudget.timeoutCost, &budget, after: pauses.next())
        }
    }

    /// The call succeeded: what its last repetition cost comes back.
    func succeeded(budget: inout AWSRetryBudget) {
        budget.deposit(max(withdrawn, 1))
    }

    private mutating func counted(
        _ cost: Int, _ budget: inout AWSRetryBudget, after pause: Duration
    ) -> Step {
        made += 1
        guard made < Self.maximum, budget.withdraw(cost) else { return .giveUp }
        withdrawn = cost
        return .again(after: pause)
    }
}

/// Repetitions that a client has left: in a lasting outage it soon stops repeating. As the SDKs' standard retry
/// mode has it. Pure.
struct AWSRetryBudget: Sendable {
    static let capacity = 500
    static let cost = 5
    static let timeoutCost = 10

    private(set) var left = capacity

    mutating func withdraw(_ cost: Int) -> Bool {
        guard left >= cost else { return false }
        left -= cost
        return true
    }

    mutating func deposit(_ amount: Int) {
        left = min(left + amount, Self.capacity)
    }
}
