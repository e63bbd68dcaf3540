import System
import Testing

struct ReplaceableFunctionTests {
    @Test func callsTheFunctionThatWasSetLast() {
        let double = ReplaceableFunction<Int, Int> { $0 * 2 }
        #expect(double(4) == 8)
        double.replace { $0 * 3 }
        #expect(double(4) == 12)
    }

    /// A chain of conversions would overflow the stack.
    @Test func callsDoNotBecomeDeeperWithTheirNumber() {
        let count = ReplaceableFunction<Void, Int> { 1 }
        var sum = 0
        for _ in 0..<300_000 { sum += count() }
        #expect(sum == 300_000)
    }
}
