import Testing

@testable import HTTP

struct PollPacingTests {
    private let start = ContinuousClock.now

    // MARK: requests

    @Test func delaysNoneOfFewRequests() {
        var pacing = PollPacing(.unary)
        for _ in 0..<100 { pacing.responded(after: .seconds(1)) }
        #expect(pacing.pause(inFlight: 15, at: start) == .zero)
        #expect(pacing.pause(inFlight: 16, at: start) > .zero)
    }

    @Test func pausesForAPartOfTheResponseTime() {
        var pacing = PollPacing(.unary)
        #expect(pacing.pause(inFlight: 100, at: start) == .zero)
        for _ in 0..<1000 { pacing.responded(after: .milliseconds(16)) }
        let pause = pacing.pause(inFlight: 100, at: start)
        #expect(pause > .microseconds(990) && pause <= .milliseconds(1))
        for _ in 0..<1000 { pacing.responded(after: .seconds(30)) }
        #expect(pacing.pause(inFlight: 100, at: start) == PollPacing.longestPause)
        for _ in 0..<1000 { pacing.responded(after: .milliseconds(16)) }
        #expect(pacing.pause(inFlight: 100, at: start) < .milliseconds(2))
    }

    // MARK: streams

    /// Returns the pauses of rounds that begin `interval` after the end of the one before, each with bytes.
    private func pauses(
        _ pacing: inout PollPacing, rounds: Int, every interval: Duration, bytes: Int = 900
    ) -> [Duration] {
        var now = start
        return (0..<rounds).map { _ in
            now += interval
            pacing.received(byteCount: bytes)
            let pause = pacing.pause(inFlight: 2, at: now)
            now += pause
            return pause
        }
    }

    @Test func delaysEventsThatKeepArriving() {
        var pacing = PollPacing(.streaming)
        let pauses = pauses(&pacing, rounds: 40, every: .milliseconds(1))
        #expect(pauses.prefix(9).allSatisfy { $0 == .zero })
        #expect(pauses.dropFirst(9).allSatisfy { $0 == PollPacing.pauseOfStreams })
    }

    @Test func delaysNoEventAfterABreak() {
        var pacing = PollPacing(.streaming)
        #expect(pauses(&pacing, rounds: 100, every: .milliseconds(10)).allSatisfy { $0 == .zero })
        _ = pauses(&pacing, rounds: 40, every: .milliseconds(1))
        #expect(pacing.pause(inFlight: 2, at: start + .seconds(10)) == .zero)
    }

    @Test(arguments: [0, PollPacing.bytesOfEvents + 1])
    func delaysNeitherListsNorRoundsWithoutEvents(bytes: Int) {
        var pacing = PollPacing(.streaming)
        let pauses = pauses(&pacing, rounds: 40, every: .milliseconds(1), bytes: bytes)
        #expect(pauses.allSatisfy { $0 == .zero })
    }
}
