import TestSupport
import Testing

@testable import Concurrency

struct WakeableTimerTests {
    @Test func callsTheStepAtOnceAtSignalsAndAtTheTimeItAskedFor() async {
        let timer = WakeableTimer()
        let steps = Recorder<Int>()
        let task = Task {
            await timer.run {
                steps.append(1)
                return steps.elements.count == 2 ? .now + .milliseconds(5) : nil
            }
        }
        await steps.wait(for: 1)
        timer.signal()
        await steps.wait(for: 3)
        task.cancel()
        await task.value
        #expect(steps.elements.count == 3)
    }

    @Test func returnsAfterFinish() async {
        let timer = WakeableTimer()
        timer.signal()
        timer.finish()
        let steps = Recorder<Int>()
        await timer.run {
            steps.append(1)
            return .now + .seconds(3600)
        }
        #expect(steps.elements.count == 1)
    }
}
