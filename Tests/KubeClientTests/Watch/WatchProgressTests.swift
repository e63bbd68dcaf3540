import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite(.timeLimit(.minutes(1))) struct WatchProgressTests: WatcherSuite {
    private let clock = Locked(SuspendingClock.now)

    private func progress() -> WatchProgress {
        WatchProgress(now: { [clock] in clock.withLock { $0 } }, wallClock: { 1000 })
    }

    private func pass(_ duration: Duration) { clock.withLock { $0 += duration } }

    @Test func reportsAStallFromTheFirstFailureToTheNextProgress() {
        let progress = progress()
        #expect(progress.stall == nil)
        #expect(progress.lastProgress == nil)
        progress.recordFailure("transport")
        pass(.seconds(50))
        progress.recordFailure("forbidden")
        #expect(progress.stall == .init(duration: .seconds(50), failures: 2, reason: "forbidden"))
        progress.recordProgress()
        #expect(progress.stall == nil)
        #expect(progress.lastProgress == 1000)
    }

    /// A watch that opens each time and fails at the same place looks healthy by its connection.
    @Test func doesNotCountAnOpenedConnectionAsProgress() async {
        let broken = HTTPError(.connectionClosed, activity: "GET")
        let progress = progress()
        let run = await watch(
            [list(5, [])]
                + [Response](repeating: Response(200, chunks: [], end: .failure(broken)), count: 5),
            until: 11,
            progress: progress)
        #expect(run.events.count >= 11)
        #expect((progress.stall?.failures ?? 0) >= 5)
        #expect(progress.stall?.reason == "transport")
    }

    @Test func countsABookmarkAsProgressAndGarbageAsFailure() async {
        let progress = progress()
        _ = await watch(
            [list(5, []), Response(200, String(repeating: "garbage\n", count: 100), end: .stall)],
            until: 102,
            progress: progress)
        #expect(progress.stall?.failures == 100)
        #expect(progress.stall?.reason == "not_json")
        let other = self.progress()
        _ = await watch(
            [
                list(5, []),
                Response(200, "garbage\n" + bookmark(6) + event("ADDED", widget("a", 7)), end: .stall),
            ], until: 4, progress: other)
        #expect(other.stall == nil)
    }

    /// The list fails again and again before its end, although its events arrive.
    @Test func doesNotCountEventsOfAnIncompleteListAsProgress() async {
        let broken = HTTPError(.connectionClosed, activity: "GET")
        let progress = progress()
        _ = await watch(
            [
                Response(200, chunks: [Array(event("ADDED", widget("a", 1)).utf8)], end: .failure(broken)),
                .status(500, "InternalError"),
            ], until: 4, streamingLists: true, progress: progress)
        #expect((progress.stall?.failures ?? 0) >= 1)
        #expect(progress.lastProgress == nil)
    }
}
