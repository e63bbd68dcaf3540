import Testing

@testable import HTTP

struct BackoffTests {
    private struct Constant: RandomNumberGenerator {
        let value: UInt64
        mutating func next() -> UInt64 { value }
    }

    @Test func ceilingsDoubleUpToTheMaximum() {
        var backoff = Backoff(base: .milliseconds(800), maximum: .seconds(30))
        var ceilings: [Duration] = []
        for _ in 0..<8 {
            ceilings.append(backoff.ceiling)
            _ = backoff.next()
        }
        let expected = [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]
        #expect(ceilings == expected.map { .milliseconds($0) })
        backoff.reset()
        #expect(backoff.ceiling == .milliseconds(800))
    }

    @Test func jitterIsFull() {
        var lowest = Constant(value: 0)
        var highest = Constant(value: .max)
        var backoff = Backoff(base: .seconds(1), maximum: .seconds(1))
        #expect(backoff.next(using: &lowest) == .zero)
        #expect(backoff.next(using: &highest) > .milliseconds(999))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            #expect((Duration.zero...Duration.seconds(1)).contains(backoff.next(using: &random)))
        }
    }

    @Test func manyAttemptsDoNotOverflow() {
        var backoff = Backoff(base: .seconds(1), maximum: .seconds(60))
        for _ in 0..<10_000 { _ = backoff.next() }
        #expect(backoff.ceiling == .seconds(60))
    }
}
