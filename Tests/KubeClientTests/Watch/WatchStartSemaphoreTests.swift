import System
import Testing

@testable import KubeClient

@Suite(.timeLimit(.minutes(1))) struct WatchStartSemaphoreTests {
    @Test func boundsHowManyBeginAtOnce() async {
        let slots = WatchStartSemaphore(3)
        let counts = Locked((now: 0, most: 0, all: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    let slot = await slots.acquire()
                    counts.withLock {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                        $0.all += 1
                    }
                    await Task.yield()
                    counts.withLock { $0.now -= 1 }
                    slot?.release()
                }
            }
        }
        #expect(counts.withLock { $0.most } <= 3)
        #expect(counts.withLock { $0.all } == 200)
    }

    @Test func aSlotComesBackWithItsLastReferenceAndAfterItsTime() async {
        let slots = WatchStartSemaphore(1, longest: .milliseconds(20))
        _ = await slots.acquire()
        let held = await slots.acquire()
        #expect(held != nil)
        let next = await slots.acquire()
        #expect(next != nil, "the time of the one before is over")
        held?.release()
        held?.release()
        next?.release()
    }

    @Test func aTaskThatIsCancelledWaitsNoLonger() async {
        let slots = WatchStartSemaphore(1, longest: .seconds(600))
        let held = await slots.acquire()
        let waiting = Task { await slots.acquire() == nil }
        for _ in 0..<20 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value)
        held?.release()
        #expect(await slots.acquire() != nil, "and takes no slot with it")
    }
}
