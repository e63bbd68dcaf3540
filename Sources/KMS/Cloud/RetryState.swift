import Concurrency

/// Decides whether and when a failed request is repeated. Each request has its own.
struct RetryState {
    enum RetryableError: Equatable, Sendable {
        case throttled(retryAfter: Duration?)
        case timeout
        case outage(retryAfter: Duration?)
        /// The service rejected the credentials, and others may be available.
        case credentialsReplaced
        /// The signature's date was wrong, and the skew is known now.
        case clockCorrected
    }

    enum Decision: Equatable {
        case giveUp
        case retry(after: Duration)
    }

    /// The first attempt counts. Retries with new credentials or a corrected clock do not; each happens once.
    static let maximumAttempts = 3

    private var attempts = 0
    private var lastCost = 0
    private var backoff = Backoff(base: .milliseconds(100), maximum: .seconds(20))
    private var throttlingBackoff = Backoff(base: .seconds(1), maximum: .seconds(20))
    private var hasReplacedCredentials = false
    private var hasCorrectedClock = false

    mutating func decide(after error: RetryableError, budget: inout RetryBudget) -> Decision {
        switch error {
        case .credentialsReplaced:
            guard !hasReplacedCredentials else { return .giveUp }
            hasReplacedCredentials = true
            return .retry(after: .zero)
        case .clockCorrected:
            guard !hasCorrectedClock else { return .giveUp }
            hasCorrectedClock = true
            return .retry(after: .zero)
        case .throttled(let retryAfter):
            return retry(RetryBudget.retryCost, &budget, after: retryAfter ?? throttlingBackoff.next())
        case .outage(let retryAfter):
            return retry(RetryBudget.retryCost, &budget, after: retryAfter ?? backoff.next())
        case .timeout:
            return retry(RetryBudget.timeoutRetryCost, &budget, after: backoff.next())
        }
    }

    /// Returns the cost of the last retry to the budget after a success.
    func recordSuccess(budget: inout RetryBudget) {
        budget.deposit(max(lastCost, 1))
    }

    private mutating func retry(
        _ cost: Int, _ budget: inout RetryBudget, after delay: Duration
    ) -> Decision {
        attempts += 1
        guard attempts < Self.maximumAttempts, budget.withdraw(cost) else { return .giveUp }
        lastCost = cost
        return .retry(after: delay)
    }
}

/// The retry quota of a client, which stops retries during a long outage.
///
/// Source: AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode.
struct RetryBudget: Sendable {
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
