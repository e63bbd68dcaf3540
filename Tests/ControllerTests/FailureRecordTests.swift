import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// Failures that last: those of the API server, and those that only a change of the object resolves.
@Suite struct FailureRecordTests {
    private let start = ContinuousClock.now

    @Test func reportsAnAPIServerFailureAfterTheGracePeriod() {
        var record = FailureRecord()
        #expect(record.apiServerFailed(now: start) == false)
        #expect(record.apiServerFailed(now: start + .seconds(19)) == false)
        #expect(record.apiServerFailed(now: start + .seconds(20)) == true)
        #expect(record.apiServerFailed(now: start + .seconds(21)) == true)
        record.apiServerRecovered()
        #expect(record.apiServerFailed(now: start + .seconds(22)) == false)
    }

    @Test func keepsATerminalFailureUntilTheObjectChanges() {
        var record = FailureRecord()
        var object = ObjectMeta(name: "a", namespace: "n", uid: "u1", generation: 3)
        var status = WrappedSecretStatus()
        status.observedGeneration = 3
        record.failedTerminally(object, status: status, retryAfter: .seconds(10), now: start)
        #expect(record.terminalStatus(of: object, now: start) == status)
        #expect(record.delayBeforeRetry(now: start + .seconds(4)) == .seconds(6))
        object.generation = 4
        #expect(record.terminalStatus(of: object, now: start) == nil)
        #expect(record.isEmpty(at: start))
    }

    /// Otherwise a change of every Secret at once would leave a record for each object, for as long as the object exists.
    @Test func recordsOfRepairsOfLongAgoAreDropped() {
        var records = FailureRecords()
        func repair(_ name: Int, at seconds: Int) {
            let ref = ObjectRef(namespace: "n", name: "\(name)")
            let now = start + .seconds(seconds)
            records.change(ref, now: now) { $0.secretThrottle.recordRepair(now: now) }
        }
        for name in 0..<1000 { repair(name, at: 0) }
        #expect(records.records.count == 1000)
        let later = Int(DriftThrottle.memory / .seconds(1)) + 1
        for name in 1000..<1020 { repair(name, at: later) }
        #expect(
            records.records.count == 1020,
            "they are dropped when there are twice as many as after the last time")
        for name in 1020..<2000 { repair(name, at: later) }
        #expect(records.records.count == 1000)
        #expect(records.records[ObjectRef(namespace: "n", name: "0")] == nil)
        #expect(records.records[ObjectRef(namespace: "n", name: "1000")] != nil)
    }

    @Test func retriesATerminalFailureAfterItsDelay() {
        var record = FailureRecord()
        let object = ObjectMeta(name: "a", namespace: "n", uid: "u1", generation: 3)
        record.failedTerminally(object, status: WrappedSecretStatus(), retryAfter: .seconds(10), now: start)
        #expect(record.terminalStatus(of: object, now: start + .seconds(9)) != nil)
        #expect(record.terminalStatus(of: object, now: start + .seconds(10)) == nil)
    }

    @Test(arguments: [400, 500])
    func theStatusReportsALastingAPIServerFailureAndTheSecretStays(code: Int) async throws {
        let cluster = try await TestCluster.withWrappedSecret()
        _ = await cluster.reconcile()
        try await cluster.apply(["password": "canary-2"]) { $0[["metadata", "generation"]] = 4 }
        let before = cluster.password
        for _ in 0..<2 {
            cluster.server.failNext("PATCH", "/secrets/db", .status(code, "x"))
            #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        }
        #expect(cluster.reason == "Synced", "the API server may have restarted")
        let start = ContinuousClock.now - FailureRecord.gracePeriod
        _ = cluster.informers.tracker.withFailureRecord(cluster.ref) { record in
            record.apiServerRecovered()
            return record.apiServerFailed(now: start)
        }
        cluster.server.failNext("PATCH", "/secrets/db", .status(code, "x"))
        #expect(await cluster.reconcile().outcome == .requeueRateLimited)
        #expect(cluster.reason == "APIServerError")
        #expect(cluster.condition("Ready")?["message"]?.string?.contains("Secret payments/db: ") == true)
        #expect(cluster.password == before)
        try cluster.syncCaches()
        #expect(await cluster.reconcile().outcome == .done)
        #expect(cluster.reason == "Synced")
        #expect(cluster.password != before)
    }
}
