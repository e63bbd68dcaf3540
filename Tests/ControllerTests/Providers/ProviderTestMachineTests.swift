import KubeClient
import Resources
import Testing

@testable import Controller

struct ProviderTestMachineTests {
    private let start = ContinuousClock.now
    private func provider(_ index: Int = 0) -> ProviderRef { ProviderRef(clusterKeyProvider: "p\(index)") }

    @Test func testsANewProviderOnce() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start) == [provider()])
        #expect(machine.takeDue(now: start).isEmpty)
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        #expect(machine.nextDue == nil)
    }

    @Test func testsAFailedProviderAgainWithGrowingDelays() throws {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        var now = start
        var delays: [Duration] = []
        for _ in 0..<9 {
            #expect(machine.takeDue(now: now) == [provider()])
            machine.finished(provider(), isFinal: false, now: now, random: 0)
            let next = try #require(machine.nextDue)
            delays.append(now.duration(to: next))
            now = next
        }
        #expect(delays.first == .seconds(2))
        #expect(delays.last == .seconds(150))
    }

    @Test func testsAProviderThatChangesDuringATestOnceMore() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        _ = machine.takeDue(now: start)
        machine.request(provider(), of: "vault", now: start)
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func aChangeEndsTheDelayAfterAFailure() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        _ = machine.takeDue(now: start)
        machine.finished(provider(), isFinal: false, now: start, random: 1)
        machine.suspect(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start).isEmpty)
        machine.request(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func usesThatFailCauseNoTestSoonAfterAnother() {
        var machine = ProviderTestMachine(now: start)
        machine.suspect(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start) == [provider()])
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        machine.suspect(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start).isEmpty)
        #expect(machine.nextDue == start + ProviderTestMachine.minimumInterval)
    }

    @Test func forgetsADeletedProvider() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        machine.forget(provider())
        #expect(machine.nextDue == nil)
    }

    @Test func forgetsAProviderThatIsDeletedDuringItsTest() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        _ = machine.takeDue(now: start)
        machine.forget(provider())
        machine.finished(provider(), isFinal: false, now: start, random: 0)
        #expect(machine.nextDue == nil)
        // It is created again.
        machine.suspect(provider(), of: "vault", now: start)
        #expect(
            machine.takeDue(now: start) == [provider()], "the test of the predecessor does not delay this one"
        )
    }

    @Test func testsAProviderThatIsRecreatedDuringItsTest() {
        var machine = ProviderTestMachine(now: start)
        machine.request(provider(), of: "vault", now: start)
        _ = machine.takeDue(now: start)
        machine.forget(provider())
        machine.request(provider(), of: "vault", now: start)
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    /// Its next test must not wait for those of a KMS that does not respond.
    @Test func aProviderThatChangesDuringItsTestCountsForItsNewKMS() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<20 {
            let ref = ObjectRef(namespace: "n\(index)", name: "own")
            machine.request(ProviderRef(keyProvider: ref), of: "hanging", now: start)
        }
        let running = machine.takeDue(now: start)
        #expect(running.count == ProviderTestMachine.maximumRunningPerCluster)
        machine.request(running[0], of: "vault", now: start)
        machine.finished(running[0], isFinal: true, now: start, random: 0)
        let next = machine.takeDue(now: start)
        #expect(next.contains(running[0]))
        #expect(next.count == 2, "one takes the place of the test that has ended")
    }

    @Test func runsALimitedNumberOfTests() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<20 {
            let ref = ObjectRef(namespace: "n\(index)", name: "own")
            machine.request(ProviderRef(keyProvider: ref), of: "p\(index)", now: start)
        }
        let first = machine.takeDue(now: start)
        #expect(first.count == ProviderTestMachine.maximumRunning)
        #expect(machine.nextDue == nil)
        let later = start + ProviderTestMachine.pace
        machine.finished(first[0], isFinal: true, now: later, random: 0)
        #expect(machine.takeDue(now: later).count == 1)
    }

    @Test func aNamespaceWithManyProvidersLeavesRoomForOthers() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<1000 {
            let ref = ObjectRef(namespace: "flood", name: "p\(index)")
            machine.request(ProviderRef(keyProvider: ref), of: "vault", now: start)
        }
        #expect(machine.takeDue(now: start).count == ProviderTestMachine.maximumRunningPerNamespace)
        machine.request(provider(), of: "vault", now: start)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func aKMSThatDoesNotRespondLeavesRoomForOthers() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<20 {
            let ref = ObjectRef(namespace: "n\(index)", name: "own")
            machine.request(ProviderRef(keyProvider: ref), of: "hanging", now: start)
        }
        #expect(machine.takeDue(now: start).count == ProviderTestMachine.maximumRunningPerCluster)
        machine.request(provider(), of: "p0", now: start)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func testsStartAtAPace() throws {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<100 { machine.request(provider(index), of: "p\(index)", now: start) }
        var now = start
        for _ in 0..<100 {
            for provider in machine.takeDue(now: now) {
                machine.finished(provider, isFinal: true, now: now, random: 0)
            }
            guard let next = machine.nextDue else { break }
            now = max(now, next)
        }
        let expected = ProviderTestMachine.pace * (100 - ProviderTestMachine.maximumRunning)
        #expect(machine.nextDue == nil)
        #expect(start.duration(to: now) == expected)
    }

    @Test func aTestWithoutARequestCountsForNothing() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<100 { machine.request(provider(index), of: "p\(index)", now: start) }
        var count = 0
        while case let due = machine.takeDue(now: start), !due.isEmpty {
            count += due.count
            for provider in due {
                machine.finished(provider, isFinal: true, askedKMS: false, now: start, random: 0)
            }
        }
        #expect(count == 100)
    }

    @Test func theNamespaceThatHasWaitedLongestIsNext() {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<50 {
            let ref = ObjectRef(namespace: "flood", name: "p\(index)")
            machine.request(ProviderRef(keyProvider: ref), of: "vault", now: start)
        }
        var now = start
        for _ in 0..<20 {
            for provider in machine.takeDue(now: now) {
                machine.finished(provider, isFinal: true, now: now, random: 0)
            }
            now += ProviderTestMachine.pace
        }
        machine.request(provider(), of: "vault", now: now)
        #expect(machine.takeDue(now: now) == [provider()])
    }
}
