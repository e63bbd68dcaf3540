import Concurrency
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

struct ProviderTestMachinePropertyTests {
    private let start = ContinuousClock.now

    @Test func testsTheSameProvidersAsASearchThroughAllOfThem() async {
        let start = start
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var machine = ProviderTestMachine(now: start)
            var model = ProviderTestModel(now: start)
            var now = start
            var running: [ProviderRef] = []
            for step in 0..<300 {
                now += random.chance(0.1) ? .seconds(random.number(0..<90)) : random.milliseconds(0..<40)
                let index = random.number(0..<24)
                let provider = Self.provider(index)
                let cluster = index < 4 ? "p\(index)" : ["", "p0", "p1"][random.number(0..<3)]
                switch random.number(0..<10) {
                case 0..<3:
                    machine.request(provider, of: cluster, now: now)
                    model.request(provider, of: cluster, now: now)
                case 3:
                    machine.suspect(provider, of: cluster, now: now)
                    model.suspect(provider, of: cluster, now: now)
                case 4:
                    machine.forget(provider)
                    model.forget(provider)
                case 5..<8:
                    guard let index = running.indices.randomElement(using: &random) else { continue }
                    let provider = running.remove(at: index)
                    let (isFinal, askedKMS) = (random.chance(0.4), random.chance(0.7))
                    let exists = random.chance(0.8)
                    machine.finished(
                        provider, isFinal: isFinal, askedKMS: askedKMS, exists: exists, now: now, random: 0.5)
                    model.finished(
                        provider, isFinal: isFinal, askedKMS: askedKMS, exists: exists, now: now)
                default:
                    let due = machine.takeDue(now: now)
                    let expected = model.takeDue(now: now)
                    if due != expected { return "step \(step): \(due) are due, and not \(expected)" }
                    running += due
                }
                if machine.nextDue != model.nextDue { return "step \(step): the next test has another time" }
            }
            // All providers are deleted. One of each namespace was in use until after that.
            for index in 0..<24 { machine.forget(Self.provider(index)) }
            for index in 0..<9 { machine.suspect(Self.provider(index), of: "", now: now) }
            while !running.isEmpty || machine.nextDue != nil {
                now += .seconds(1)
                running += machine.takeDue(now: now)
                guard let provider = running.popLast() else { continue }
                machine.finished(
                    provider, isFinal: true, askedKMS: false, exists: false, now: now, random: 0.5)
            }
            return machine.isEmpty ? nil : "deleted providers are remembered"
        }
        #expect(violation == nil)
    }

    private static func provider(_ index: Int) -> ProviderRef {
        index < 4
            ? ProviderRef(clusterKeyProvider: "p\(index)")
            : ProviderRef(keyProvider: ObjectRef(namespace: "n\(index % 5)", name: "\(index)"))
    }

    /// A test that finds that the ClusterKeyProvider does not exist has no pace.
    @Test func theCostOfATestDoesNotGrowWithTheProvidersOfANamespace() {
        #expect(ProcessorTime.ratio(of: { test(1000) }, to: { test(500) }, below: 3) < 3)
    }

    @Test func aProviderThatIsEditedAllTheWhileLeavesNoEntries() {
        var flow = ProviderTestFlow()
        let waiting = ProviderRef(clusterKeyProvider: "waiting")
        let edited = ProviderRef(clusterKeyProvider: "edited")
        flow.insert(.init(dueAt: start, order: 0, provider: waiting))
        for order in 1...10_000 {
            flow.insert(.init(dueAt: start + .seconds(order), order: UInt64(order), provider: edited))
        }
        #expect(flow.entryCount < 100)
        flow.remove(waiting)
        #expect(flow.first?.order == 10_000)
        flow.remove(edited)
        #expect(flow.first == nil)
        #expect(flow.isEmpty)
    }

    private func test(_ count: Int) {
        var machine = ProviderTestMachine(now: start)
        for index in 0..<count {
            let ref = ObjectRef(namespace: "flood", name: "p\(index)")
            machine.request(ProviderRef(keyProvider: ref), of: "", now: start)
        }
        var tested = 0
        while case let due = machine.takeDue(now: start), !due.isEmpty {
            for provider in due {
                machine.finished(provider, isFinal: true, askedKMS: false, now: start, random: 0)
            }
            tested += due.count
            _ = machine.nextDue
        }
        #expect(tested == count)
    }
}

/// The rules of `ProviderTestMachine`, by a search through all providers in each step.
private struct ProviderTestModel {
    typealias Instant = ContinuousClock.Instant
    private typealias Machine = ProviderTestMachine

    private struct Pending {
        var cluster: String
        var dueAt: Instant
        var order: Int
        var backoff = Backoff(base: .seconds(4), maximum: .seconds(300), jitter: .half)
        var isRunning = false
        var isDeleted = false
        var newCluster: String?
    }

    private var pending: [ProviderRef: Pending] = [:]
    private var testedAt: [ProviderRef: Instant] = [:]
    private var startedAt: [String: Instant] = [:]
    private var order = 0
    private var starts: TokenBucket<Instant>

    init(now: Instant) {
        starts = TokenBucket(capacity: Machine.maximumRunning, interval: Machine.pace, now: now)
    }

    private mutating func add(_ provider: ProviderRef, of cluster: String, dueAt: Instant) {
        order += 1
        pending[provider] = Pending(cluster: cluster, dueAt: dueAt, order: order)
    }

    mutating func request(_ provider: ProviderRef, of cluster: String, now: Instant) {
        guard pending[provider]?.isRunning == true else { return add(provider, of: cluster, dueAt: now) }
        pending[provider]?.newCluster = cluster
        pending[provider]?.isDeleted = false
    }

    mutating func suspect(_ provider: ProviderRef, of cluster: String, now: Instant) {
        guard pending[provider] == nil else { return }
        let earliest = testedAt[provider].map { $0 + Machine.minimumInterval }
        add(provider, of: cluster, dueAt: max(now, earliest ?? now))
    }

    mutating func forget(_ provider: ProviderRef) {
        testedAt[provider] = nil
        if pending[provider]?.isRunning == true {
            pending[provider]?.isDeleted = true
        } else {
            remove(provider)
        }
    }

    private mutating func remove(_ provider: ProviderRef) {
        pending[provider] = nil
        let namespace = provider.object.namespace
        if !pending.keys.contains(where: { $0.object.namespace == namespace }) { startedAt[namespace] = nil }
    }

    private var candidates: [ProviderRef: Pending] {
        let running = pending.filter(\.value.isRunning)
        guard running.count < Machine.maximumRunning else { return [:] }
        return pending.filter { provider, state in
            let namespace = provider.object.namespace
            return !state.isRunning
                && running.keys.count { $0.object.namespace == namespace }
                    < Machine.maximumRunningPerNamespace
                && running.values.count { $0.cluster == state.cluster } < Machine.maximumRunningPerCluster
        }
    }

    mutating func takeDue(now: Instant) -> [ProviderRef] {
        var due: [ProviderRef] = []
        while true {
            let ready = candidates.filter { $0.value.dueAt <= now }
            // Never first, and then the longest time ago.
            let turns = ready.keys.map { startedAt[$0.object.namespace] }
            let turn = turns.contains(nil) ? nil : turns.compactMap(\.self).min()
            let next = ready.filter { startedAt[$0.key.object.namespace] == turn }
                .min { ($0.value.dueAt, $0.value.order) < ($1.value.dueAt, $1.value.order) }
            guard let next, starts.take(at: now) else { return due }
            pending[next.key]?.isRunning = true
            startedAt[next.key.object.namespace] = now
            due.append(next.key)
        }
    }

    var nextDue: Instant? { candidates.values.map(\.dueAt).min().map { max($0, starts.time()) } }

    mutating func finished(
        _ provider: ProviderRef, isFinal: Bool, askedKMS: Bool, exists: Bool, now: Instant
    ) {
        guard var state = pending[provider] else { return }
        if !askedKMS { starts.giveBack() }
        if state.isDeleted || !exists && state.newCluster == nil {
            testedAt[provider] = nil
            remove(provider)
        } else {
            testedAt[provider] = now
            if let cluster = state.newCluster {
                add(provider, of: cluster, dueAt: now)
            } else if isFinal {
                pending[provider] = nil
            } else {
                order += 1
                (state.isRunning, state.order) = (false, order)
                state.dueAt = now + state.backoff.next(random: 0.5)
                pending[provider] = state
            }
        }
        if pending.isEmpty { startedAt = [:] }
    }
}
