import System
import TestSupport
import Testing

@testable import Concurrency

struct SingleFlightTests {
    @Test func runsTheOperationOnceForAllThatAskAtTheSameTime() async {
        let flight = SingleFlight<Int>()
        let release = Promise<Void>()
        let runs = Locked(0)
        let results = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    await flight.run(ifCancelled: -1) {
                        runs.withLock { $0 += 1 }
                        await release.value(ifCancelled: ())
                        return 7
                    }
                }
            }
            release.fulfill(())
            return await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(results == [7])
        #expect(runs.withLock { $0 } >= 1)
    }

    @Test func aCancelledCallerLeavesTheOperationToTheOthers() async {
        let flight = SingleFlight<String>()
        let started = Recorder<Int>()
        let release = Promise<Void>()
        let operation: @Sendable () async -> String = {
            started.append(1)
            await release.value(ifCancelled: ())
            return "done"
        }
        let first = Task { await flight.run(ifCancelled: "cancelled", operation) }
        await started.wait(for: 1)
        let second = Task { await flight.run(ifCancelled: "cancelled", operation) }
        for _ in 0..<100 { await Task.yield() }
        first.cancel()
        #expect(await first.value == "cancelled")
        release.fulfill(())
        #expect(await second.value == "done")
        #expect(started.elements.count == 1)
    }

    @Test func runsAgainAfterTheOperationHasEnded() async {
        let flight = SingleFlight<Int>()
        #expect(await flight.run(ifCancelled: 0) { 1 } == 1)
        #expect(await flight.run(ifCancelled: 0) { 2 } == 2)
    }

    @Test func aPromiseKeepsItsFirstValue() async {
        let promise = Promise<Int>()
        promise.fulfill(1)
        promise.fulfill(2)
        #expect(await promise.value(ifCancelled: 0) == 1)
    }

    @Test func aCallerThatWasCancelledBeforeItAskedDoesNotWait() async {
        let promise = Promise<Int>()
        let waiter = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await promise.value(ifCancelled: -1)
        }
        #expect(await waiter.value == -1)
    }
}
