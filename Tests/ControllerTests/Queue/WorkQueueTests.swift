import KubeClient
import System
import TestSupport
import Testing

@testable import Controller

@Suite(.timeLimit(.minutes(1))) struct WorkQueueTests {
    private func ref(_ name: String) -> ObjectRef { ObjectRef(namespace: "n", name: name) }

    /// Runs workers until `body` returns, then shuts the queue down and waits for them.
    private func withWorkers(
        _ queue: WorkQueue, workers: Int = 4,
        on process: @escaping @Sendable (ObjectRef) async -> WorkQueue.Outcome,
        _ body: @Sendable () async -> Void
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await queue.run() }
            for _ in 0..<workers {
                group.addTask { while await queue.processNext(process) {} }
            }
            await body()
            queue.shutDown()
        }
    }

    @Test func processesAKeyInOneWorkerAtATime() async {
        let queue = WorkQueue()
        let busy = Locked<Set<ObjectRef>>([])
        let collisions = Locked(0)
        let runs = Recorder<ObjectRef>()
        await withWorkers(queue, workers: 8) { key in
            if !busy.withLock({ $0.insert(key).inserted }) { collisions.withLock { $0 += 1 } }
            for _ in 0..<20 { await Task.yield() }
            _ = busy.withLock { $0.remove(key) }
            runs.append(key)
            return .done
        } _: {
            for round in 0..<300 {
                queue.add(ref("\(round % 3)"))
                await Task.yield()
            }
            await runs.wait { Set($0).count == 3 }
        }
        #expect(collisions.withLock { $0 } == 0)
    }

    @Test func runsEveryAddedKey() async {
        let queue = WorkQueue()
        let runs = Recorder<ObjectRef>()
        await withWorkers(queue) { key in
            runs.append(key)
            return .done
        } _: {
            await withTaskGroup(of: Void.self) { group in
                for adder in 0..<4 {
                    group.addTask { for key in 0..<100 { queue.add(ref("\(adder)-\(key)")) } }
                }
            }
            await runs.wait { Set($0).count == 400 }
        }
        #expect(runs.elements.count == 400)
    }

    @Test func runsDelayedKeysOnTime() async {
        let queue = WorkQueue()
        let runs = Recorder<(ObjectRef, ContinuousClock.Instant)>()
        let delays = Locked<[String: Duration]>([
            "late": .milliseconds(500), "soon": .milliseconds(2), "never": .seconds(600),
        ])
        let start = ContinuousClock.now
        await withWorkers(queue) { key in
            if let delay = delays.withLock({ $0.removeValue(forKey: key.name) }) {
                return .requeue(after: delay)
            }
            runs.append((key, .now))
            return .done
        } _: {
            for name in ["late", "soon", "never"] { queue.add(ref(name)) }
            await runs.wait(for: 2)
        }
        #expect(runs.elements.map(\.0.name) == ["soon", "late"])
        #expect(runs.elements[0].1 - start >= .milliseconds(2))
        #expect(runs.elements[1].1 - start >= .milliseconds(500))
    }

    @Test func retriesAFailureWithGrowingDelays() async {
        let queue = WorkQueue(maximumDelay: .milliseconds(20))
        let runs = Recorder<ContinuousClock.Instant>()
        await withWorkers(queue) { _ in
            runs.append(.now)
            return runs.elements.count < 4 ? .requeueRateLimited : .done
        } _: {
            queue.add(ref("a"))
            await runs.wait(for: 4)
        }
        let times = runs.elements
        #expect(times[1] - times[0] >= .microseconds(2500))
        #expect(times[2] - times[1] >= .milliseconds(5))
        #expect(times[3] - times[2] >= .milliseconds(10))
    }

    @Test func requeuesAfterTheGivenDelay() async {
        let queue = WorkQueue()
        let runs = Recorder<ObjectRef>()
        await withWorkers(queue) { key in
            runs.append(key)
            return runs.elements.count < 3 ? .requeue(after: .milliseconds(1)) : .done
        } _: {
            queue.add(ref("a"))
            await runs.wait(for: 3)
        }
        #expect(runs.elements.count == 3)
    }

    /// At SIGTERM, the work in flight ends, waiting keys are dropped, and idle workers return.
    @Test func shutDownWaitsForTheWorkInFlight() async {
        let queue = WorkQueue()
        let started = Recorder<ObjectRef>()
        let finished = Recorder<ObjectRef>()
        let gate = Recorder<Void>()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    while await queue.processNext({ key in
                        started.append(key)
                        await gate.wait(for: 1)
                        finished.append(key)
                        return .requeueRateLimited
                    }) {}
                }
            }
            queue.add(ref("in flight"))
            await started.wait(for: 1)
            queue.add(ref("in flight"))
            queue.shutDown()
            queue.add(ref("too late"))
            gate.append(())
            await group.waitForAll()
        }
        #expect(finished.elements == [ref("in flight")])
        #expect(queue.count == 0)
        #expect(await !queue.processNext { _ in .done })
    }
}
