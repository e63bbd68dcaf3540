import KubeClient
import TestSupport
import Testing

@testable import Controller

/// Requests of many namespaces; see `UnwrapRateLimiterMachineTests` for the order and the rate within one.
@Suite struct UnwrapRateLimiterPropertyTests {
    /// The comparison is with a machine for each namespace. There are so many that full buckets are dropped.
    @Test func limitsEachNamespaceAsIfItWereAlone() async {
        let start = ContinuousClock.now
        let violation = await PropertyRun.violation(seeds: 20) { random in
            var limit = UnwrapRateLimit()
            (limit.rate, limit.burst) = (random.number(1..<20), random.number(1..<6))
            var shared = UnwrapRateLimiterMachine(limit)
            var alone = (0..<100).map { _ in UnwrapRateLimiterMachine(limit) }
            var now = start
            for step in 0..<500 {
                now += random.milliseconds(0..<50)
                // Half of the requests come from a few namespaces, which reach their limit.
                let index = random.chance(0.5) ? random.number(0..<3) : random.number(0..<100)
                let ref = ObjectRef(namespace: "ns-\(index)", name: "\(random.number(0..<8))")
                switch random.number(0..<10) {
                case 0:
                    shared.forget(ref)
                    alone[index].forget(ref)
                case 1:
                    let expected = alone[index].availableTokens(ref.namespace, now: now)
                    if shared.availableTokens(ref.namespace, now: now) != expected {
                        return "step \(step): \(ref.namespace) has not \(expected) tokens"
                    }
                default:
                    let expected = alone[index].acquireToken(ref, now: now)
                    let wait = shared.acquireToken(ref, now: now)
                    if wait != expected { return "step \(step): \(ref) waits \(String(describing: wait))" }
                    guard wait == nil, random.chance(0.2) else { continue }
                    shared.refundToken(ref.namespace)
                    alone[index].refundToken(ref.namespace)
                }
            }
            return nil
        }
        #expect(violation == nil)
    }
}
