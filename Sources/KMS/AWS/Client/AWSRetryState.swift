import Concurrency
import HTTP

/// Whether a call that failed is tried again, and when. One for each call. Pure.
struct AWSRetryState {
    /// What may pass.
    enum RetryableError: Equatable {
        case throttled(retryAfter: Duration?)
        /// No answer in time.
        case timeout
        case outage(retryAfter: Duration?)
        /// AWS does not take the credentials, and there may be others.
        case credentialsReplaced
        /// The clock was wrong, and is known now.
        case clockCorrected
    }

    enum Decision: Equatable {
        case giveUp
        case retry(after: Duration)
    }

    /// The first one included. New credentials and a corrected clock are not counted: each comes once.
    static let maximumAttempts = 3

    private var made = 0
    private var withdrawn = 0
    private var pauses = Backoff(base: .milliseconds(100), maximum: .seconds(20))
    private var longerPauses = Backoff(base: .seconds(1), maximum: .seconds(20))
    private var hasReplacedCredentials = false
    private var hasCorrectedClock = false

    mutating func decide(after trouble: RetryableError, budget: inout AWSRetryBudget) -> Decision {
        switch trouble {
        case .credentialsReplaced:
            guard !hasReplacedCredentials else { return .giveUp }
            hasReplacedCredentials = true
            return .retry(after: .zero)
        case .clockCorrected:
            guard !hasCorrectedClock else { return .giveUp }
            hasCorrectedClock = true
            return .retry(after: .zero)
        case .throttled(let asked):
            return counted(AWSRetryBudget.retryCost, &budget, after: asked ?? longerPauses.next())
        case .outage(let asked):
            return counted(AWSRetryBudget.retryCost, &budget, after: asked ?? pauses.next())
        case .timeout:
            return counted(AWSRetryBudget.timeoutRetryCost, &budget, after: pauses.next())
        }
    }

    /// The call succeeded: what its last repetition cost comes back.
    func recordSuccess(budget: inout AWSRetryBudget) {
        budget.deposit(max(withdrawn, 1))
    }

    private mutating func counted(
        _ cost: Int, _ budget: inout AWSRetryBudget, after pause: Duration
    ) -> Decision {
        made += 1
        guard made < Self.maximumAttempts, budget.withdraw(cost) else { return .giveUp }
        withdrawn = cost
        return .retry(after: pause)
    }
}

/// Repetitions that a client has left: in a lasting outage it soon stops repeating. As the SDKs' standard retry
/// mode has it. Pure.
struct AWSRetryBudget: Sendable {
    static let capacity = 500
    static let retryCost = 5
    static let timeoutRetryCost = 10

    private(set) var available = capacity

    mutating func withdraw(_ cost: Int) -> Bool {
        guard available >= cost else { return false }
        available -= cost
        return true
    }

    mutating func deposit(_ amount: Int) {
        available = min(available + amount, Self.capacity)
    }
}
