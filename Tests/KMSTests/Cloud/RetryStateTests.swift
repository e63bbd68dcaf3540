import Testing

@testable import KMS

struct RetryStateTests {
    @Test func givesUpAfterThreeAttempts() {
        var budget = RetryBudget()
        for _ in 0..<20 {
            budget = RetryBudget()
            var attempts = RetryState()
            for ceiling in [Duration.milliseconds(100), .milliseconds(200)] {
                guard
                    case .retry(let pause) = attempts.decide(after: .outage(retryAfter: nil), budget: &budget)
                else {
                    Issue.record("gave up")
                    return
                }
                #expect(pause <= ceiling)
            }
            #expect(attempts.decide(after: .outage(retryAfter: nil), budget: &budget) == .giveUp)
        }
        #expect(budget.available == RetryBudget.capacity - 2 * RetryBudget.retryCost)
    }

    @Test func waitsAsLongAsTheServerAsks() {
        var budget = RetryBudget()
        var attempts = RetryState()
        #expect(
            attempts.decide(after: .throttled(retryAfter: .seconds(7)), budget: &budget)
                == .retry(after: .seconds(7)))
        #expect(
            attempts.decide(after: .outage(retryAfter: .seconds(3)), budget: &budget)
                == .retry(after: .seconds(3)))
    }

    @Test func retriesOnceForCredentialsAndOnceForTheClockWithoutCost() {
        var budget = RetryBudget()
        var attempts = RetryState()
        #expect(attempts.decide(after: .credentialsReplaced, budget: &budget) == .retry(after: .zero))
        #expect(attempts.decide(after: .clockCorrected, budget: &budget) == .retry(after: .zero))
        #expect(attempts.decide(after: .credentialsReplaced, budget: &budget) == .giveUp)
        #expect(attempts.decide(after: .clockCorrected, budget: &budget) == .giveUp)
        #expect(budget.available == RetryBudget.capacity)
        guard case .retry = attempts.decide(after: .timeout, budget: &budget) else {
            Issue.record("they count as attempts")
            return
        }
    }

    @Test func stopsRetriesWithoutBudgetAndRefillsIt() {
        var budget = RetryBudget()
        var repeated = 0
        for _ in 0..<1000 {
            var attempts = RetryState()
            while case .retry = attempts.decide(after: .timeout, budget: &budget) { repeated += 1 }
        }
        #expect(repeated == RetryBudget.capacity / RetryBudget.timeoutRetryCost)
        #expect(budget.available == 0)
        for _ in 0..<7 { RetryState().recordSuccess(budget: &budget) }
        #expect(budget.available == 7)
        var attempts = RetryState()
        _ = attempts.decide(after: .outage(retryAfter: nil), budget: &budget)
        #expect(budget.available == 2)
        attempts.recordSuccess(budget: &budget)
        #expect(budget.available == 7)
        for _ in 0..<1000 { RetryState().recordSuccess(budget: &budget) }
        #expect(budget.available == RetryBudget.capacity)
    }
}
