import Primitives
import Testing

@testable import KubeClient

@Suite(.timeLimit(.minutes(1))) struct WatchSlotsTests {
    @Test func boundsHowManyBeginAtOnce() async {
        let slots = WatchSlots(3)
        let counts = Locked((now: 0, most: 0, all: 0))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    let slot = await slots.take()
                    counts.withLock {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                        $0.all += 1
                    }
                    await Task.yield()
                    counts.withLock { $0.now -= 1 }
                    slot?.end()
                }
            }
        }
        #expect(counts.withLock { $0.most } <= 3)
        #expect(counts.withLock { $0.all } == 200)
    }

    @Test func aSlotComesBackWithItsLastReferenceAndAfterItsTime() async {
        let slots = WatchSlots(1, longest: .milliseconds(20))
        _ = await slots.take()
        let held = await slots.take()
        #expect(held != nil)
        let next = await slots.take()
        #expect(next != nil, "the time of the one before is over")
        held?.end()
        held?.end()
        next?.end()
    }

    @Test func aTaskThatIsCancelledWaitsNoLonger() async {
        let slots = WatchSlots(1, longest: .seconds(600))
        let held = await slots.take()
        let waiting = Task { await slots.take() == nil }
        for _ in 0..<20 { await Task.yield() }
        waiting.cancel()
        #expect(await waiting.value)
        held?.end()
        #expect(await slots.take() != nil, "and takes no slot with it")
    }
}
