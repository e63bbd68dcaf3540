import Foundation
import KubeClient
import Resources
import System
import Testing

/// Several replicas, of which one reconciles.
@Suite(.onRealServers, .serialized)
struct HighAvailabilityTests {
    private static let count = 20

    /// Changes objects continuously while `body` runs. Afterwards every Secret must have its last value.
    private func whileChanging(_ namespace: TestNamespace, _ body: () async throws -> Void) async throws {
        let values = Locked<[String: String]>([:])
        // The task is not cancelled: a cancelled request may have been served.
        let isOver = Locked(false)
        let writer = Task {
            var round = 0
            while !isOver.withLock({ $0 }) {
                round += 1
                let name = "db-\(round % Self.count)"
                try await namespace.apply(name, ["k": "\(round)"])
                values.withLock { $0[name] = "\(round)" }
                try await Task.sleep(for: .milliseconds(25))
            }
        }
        do {
            try await eventually("all are synced") { try await namespace.syncedCount() == Self.count }
            try await body()
        } catch {
            writer.cancel()
            throw error
        }
        isOver.withLock { $0 = true }
        try await writer.value
        for (name, value) in values.withLock({ $0 }) {
            try await namespace.secret(name, until: "has its last value") { $0.values == ["k": value] }
            try await namespace.reconciled(name)
        }
    }

    @Test func aStandbyReplacesAKilledLeaderWithinTwentySeconds() async throws {
        try await TestNamespace.withShared { namespace in
            let first = try await Replica.start(namespace)
            try await eventually("the first leads") { first.isLeading }
            let second = try await Replica.start(namespace)
            try await eventually("the second is a standby") { second.hasLogged("standing by") }
            try await whileChanging(namespace) {
                #expect(try second.audit().isEmpty)
                let clock = ContinuousClock.now
                first.program.signal(SIGKILL)
                try await eventually("the second leads") { second.isLeading }
                let took = ContinuousClock.now - clock
                print("failover after SIGKILL: \(took)")
                #expect(took < .seconds(20))
                try await eventually("it reconciles") { try second.audit().count > Self.count }
            }
            try first.expectEnded(before: second)
            try await second.stop()
        }
    }

    @Test func aStandbyReplacesATerminatedLeaderWithinThreeSeconds() async throws {
        try await TestNamespace.withShared { namespace in
            let first = try await Replica.start(namespace)
            try await eventually("the first leads") { first.isLeading }
            let second = try await Replica.start(namespace)
            try await eventually("the second is a standby") { second.hasLogged("standing by") }
            try await whileChanging(namespace) {
                let clock = ContinuousClock.now
                first.program.signal(SIGTERM)
                try await eventually("the second leads") { second.isLeading }
                let took = ContinuousClock.now - clock
                print("failover after SIGTERM: \(took)")
                #expect(took < .seconds(3))
                #expect(try await first.program.outcome().status == 0)
                #expect(first.hasLogged("lease released"))
                try await eventually("it reconciles") { try second.audit().count > Self.count }
            }
            try first.expectEnded(before: second)
            try await second.stop()
        }
    }

    @Test(arguments: [TCPProxy.Mode.hangs, .drops])
    func anIsolatedLeaderStopsBeforeAnotherTakesOver(mode: TCPProxy.Mode) async throws {
        try await TestNamespace.withShared { namespace in
            let proxy = try TCPProxy(to: namespace.cluster.port)
            defer { proxy.stop() }
            let first = try await Replica.start(namespace, through: proxy)
            try await eventually("the first leads") { first.isLeading }
            let second = try await Replica.start(namespace)
            try await eventually("the second is a standby") { second.hasLogged("standing by") }
            try await whileChanging(namespace) {
                let clock = ContinuousClock.now
                proxy.set(mode)
                // Its request to release the lease also ends only at its timeout.
                let ended = try await eventually("the first has stopped") { () -> Duration? in
                    #expect(!second.isLeading, "no replica takes over before the first has stopped")
                    return first.hasLogged("no longer leading: work in flight is cancelled")
                        ? ContinuousClock.now - clock : nil
                }
                try await eventually("the second leads") { second.isLeading }
                print(
                    "cut off (\(mode)): stopped after \(ended), followed after \(ContinuousClock.now - clock)"
                )
                let outcome = try await first.program.outcome()
                #expect(outcome.status != 0)
                #expect(outcome.errors.contains("leader election: lost lease secrets-bridge/secrets-bridge-"))
                #expect(!outcome.errors.contains("does not end"))
                proxy.set(.forwards)
                try await eventually("it reconciles") { try second.audit().count > Self.count }
            }
            try first.expectEnded(before: second)
            try await second.stop()
        }
    }

    @Test func aLeaderWhoseLeaseIsTakenEndsItsProcess() async throws {
        try await TestNamespace.withShared { namespace in
            let replica = try await Replica.start(namespace, ["--leader-elect-name", namespace.name])
            try await eventually("it leads") { replica.isLeading }
            try await namespace.cluster.kubectl(
                "patch", "lease", "-n", "secrets-bridge", namespace.name, "--type=merge", "-p",
                #"{"spec":{"holderIdentity":"thief"}}"#)
            let outcome = try await replica.program.outcome()
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("thief holds it now"))
        }
    }

    @Test func aStandbyTakesOverWithWarmCaches() async throws {
        try await TestNamespace.withShared { namespace in
            let lease = ObjectRef(namespace: namespace.name, name: "warm")
            let names = (0..<50).map { "db-\($0)" }
            try await namespace.applyAll(names) { $0 }
            var second: RunningController?
            try await RunningController.with(namespace, lease: lease) { first in
                try await eventually("all are synced") { try await namespace.syncedCount() == names.count }
                #expect(first.log.lines.contains { $0.hasPrefix("info leading") })
                second = RunningController.start(namespace, lease: lease)
                try await eventually("the second is a standby") {
                    second?.log.lines.contains { $0.hasPrefix("info standing by") } == true
                        && second?.log.lines.contains { $0.hasPrefix("info caches complete") } == true
                }
                try await namespace.apply("db-7", ["k": "changed"])
                try await namespace.secret("db-7", until: "is changed") { $0.values == ["k": "changed"] }
                try await namespace.reconciled("db-7")
            }
            let standby = try #require(second)
            func lists() -> Int {
                standby.transport.count {
                    $0.isList(of: "secrets") || $0.isList(of: "wrappedsecrets") || $0.isWatch
                }
            }
            let before = lists()
            try await eventually("the second leads") {
                standby.log.lines.contains { $0.hasPrefix("info leading") }
            }
            try await standby.catchUp(namespace)
            #expect(lists() == before, "\(standby.transport.requests.suffix(20))")
            #expect(standby.key.unwraps { !$0.hasPrefix(RunningController.probePrefix) } == 0)
            #expect(
                standby.transport.count { request in
                    request.isWrite && names.contains { request.path.contains("/\($0)") }
                } == 0)
            await standby.stop()
        }
    }
}
