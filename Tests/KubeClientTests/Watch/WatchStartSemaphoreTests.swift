import System
import Testing

@testable import KubeClient

@Suite(.timeLimit(.minutes(1))) struct WatchStartSemaphoreTests {
    @Test func limitsConcurrentPermits() async {
        let semaphore = WatchStartSemaphore(3)
        let counts = Locked((now: 0, most: 0, all: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    let permit = await semaphore.acquire()
                    counts.withLock {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                        $0.all += 1
                    }
                    await Task.yield()
                    counts.withLock { $0.now -= 1 }
                    permit?.release()
                }
            }
        }
        #expect(counts.withLock { $0.most } <= 3)
        #expect(counts.withLock { $0.all } == 200)
    }

    @Test func releasesAPermitWithItsLastReferenceAndAfterItsTimeout() async {
        let semaphore = WatchStartSemaphore(1, timeout: .milliseconds(20))
        _ = await semaphore.acquire()
        let held = await semaphore.acquire()
        #expect(held != nil)
        let next = await semaphore.acquire()
        #expect(next != nil, "the previous permit has timed out")
        held?.release()
        held?.release()
        next?.release()
    }

    @Test func stopsWaitingWhenCancelled() async {
        let semaphore = WatchStartSemaphore(1, timeout: .seconds(600))
        let held = await semaphore.acquire()
        let waiting = Task { await semaphore.acquire() == nil }
        for _ in 0..<20 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value)
        held?.release()
        #expect(await semaphore.acquire() != nil, "the cancelled task holds no permit")
    }
}
