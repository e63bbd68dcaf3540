import Dispatch
import System

/// Runs tasks one after another on a queue of its own, and knows whether any of them is ready to run.
package final class CountingExecutor: TaskExecutor {
    private let queue = DispatchQueue(label: "counting-executor")
    private let ready = Locked(0)

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        ready.withLock { $0 += 1 }
        queue.async { [self] in
            job.runSynchronously(on: asUnownedTaskExecutor())
            ready.withLock { $0 -= 1 }
        }
    }

    /// Waits until each task has ended or waits for something else.
    package func waitUntilIdle() async {
        while ready.withLock({ $0 > 0 }) { await Task.yield() }
    }
}
