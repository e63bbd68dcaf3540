import KubeClient
import Resources
import Testing

@testable import Controller

struct ProviderTestMachineTests {
    private let start = ContinuousClock.now
    private func provider(_ index: Int = 0) -> ProviderRef { ProviderRef(clusterKeyProvider: "p\(index)") }

    @Test func testsANewProviderOnce() {
        var machine = ProviderTestMachine()
        machine.request(provider(), now: start)
        #expect(machine.takeDue(now: start) == [provider()])
        #expect(machine.takeDue(now: start).isEmpty)
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        #expect(machine.nextDue == nil)
    }

    @Test func testsAFailedProviderAgainWithGrowingDelays() throws {
        var machine = ProviderTestMachine()
        machine.request(provider(), now: start)
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
        var machine = ProviderTestMachine()
        machine.request(provider(), now: start)
        _ = machine.takeDue(now: start)
        machine.request(provider(), now: start)
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func aChangeEndsTheDelayAfterAFailure() {
        var machine = ProviderTestMachine()
        machine.request(provider(), now: start)
        _ = machine.takeDue(now: start)
        machine.finished(provider(), isFinal: false, now: start, random: 1)
        machine.suspect(provider(), now: start)
        #expect(machine.takeDue(now: start).isEmpty)
        machine.request(provider(), now: start)
        #expect(machine.takeDue(now: start) == [provider()])
    }

    @Test func usesThatFailCauseNoTestSoonAfterAnother() {
        var machine = ProviderTestMachine()
        machine.suspect(provider(), now: start)
        #expect(machine.takeDue(now: start) == [provider()])
        machine.finished(provider(), isFinal: true, now: start, random: 0)
        machine.suspect(provider(), now: start)
        #expect(machine.takeDue(now: start).isEmpty)
        #expect(machine.nextDue == start + ProviderTestMachine.minimumInterval)
    }

    @Test func forgetsADeletedProvider() {
        var machine = ProviderTestMachine()
        machine.request(provider(), now: start)
        machine.forget(provider())
        #expect(machine.nextDue == nil)
    }

    @Test func runsALimitedNumberOfTests() {
        var machine = ProviderTestMachine()
        for index in 0..<20 {
            let ref = ObjectRef(namespace: "n\(index)", name: "own")
            machine.request(ProviderRef(keyProvider: ref), now: start)
        }
        let first = machine.takeDue(now: start)
        #expect(first.count == ProviderTestMachine.maximumRunning)
        #expect(machine.nextDue == nil)
        machine.finished(first[0], isFinal: true, now: start, random: 0)
        #expect(machine.takeDue(now: start).count == 1)
    }

    @Test func aNamespaceWithManyProvidersLeavesRoomForOthers() {
        var machine = ProviderTestMachine()
        for index in 0..<1000 {
            let ref = ObjectRef(namespace: "flood", name: "p\(index)")
            machine.request(ProviderRef(keyProvider: ref), now: start)
        }
        #expect(machine.takeDue(now: start).count == ProviderTestMachine.maximumRunningPerNamespace)
        machine.request(provider(), now: start)
        #expect(machine.takeDue(now: start) == [provider()])
    }
}
