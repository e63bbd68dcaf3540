import Cryptography
import KubeClient
import TestSupport
import Testing

@testable import Controller
@testable import Resources

@Suite struct StatusUpdateTests {
    private let object = ObjectMeta(name: "db", namespace: "n", uid: "u1", generation: 3)
    private let key = UnwrappingKey(id: "k", version: "2")
    private let secret = WrappedSecretStatus.SecretState(
        name: "db", uid: "s1", resourceVersion: "50", generation: 3, mac: "m", renderVersion: 1)

    private func update(_ previous: WrappedSecretStatus? = nil, _ now: String = "T1") -> StatusUpdate {
        StatusUpdate(object: object, previous: previous, now: now)
    }

    private func shape(_ status: WrappedSecretStatus) -> [String] {
        (status.conditions ?? []).map { "\($0.type)=\($0.status) \($0.reason) \($0.lastTransitionTime)" }
    }

    @Test func aSyncedObjectIsReady() {
        let status = update().synced(secret, key: key, at: nil)
        #expect(shape(status) == ["Ready=True Synced T1"])
        #expect(status.observedGeneration == 3)
        #expect(status.conditions?[0].observedGeneration == 3)
        #expect(status.secret == secret)
        #expect(status.keyID == "k")
        #expect(status.keyVersion == "2")
        #expect(status.lastSyncTime == "T1")
    }

    @Test func transientFailuresAreReconcilingAndTerminalOnesAreStalled() {
        for reason in Reason.allCases where reason != .synced {
            let second = reason.isTerminal ? "Stalled" : "Reconciling"
            #expect(
                shape(update().failed(reason, message: "m")) == [
                    "Ready=False \(reason.rawValue) T1", "\(second)=True \(reason.rawValue) T1",
                ])
        }
    }

    @Test func aFailureKeepsTheLastSync() {
        let before = update().synced(secret, key: key, at: nil)
        let status = update(before, "T2").failed(.kmsUnavailable, message: "m")
        #expect(status.secret == secret)
        #expect(status.lastSyncTime == "T1")
        #expect(status.keyID == "k")
        #expect(status.conditions?[0].message == "m")
    }

    @Test func theTransitionTimeChangesOnlyWithTheStatusOfACondition() {
        let first = update(nil, "T1").failed(.kmsUnavailable, message: "m")
        let again = update(first, "T2").failed(.kmsUnavailable, message: "m")
        #expect(again == first, "no change is written")
        let other = update(again, "T3").failed(.unwrapDenied, message: "n")
        #expect(
            shape(other) == ["Ready=False UnwrapDenied T1", "Reconciling=True UnwrapDenied T1"])
        let stalled = update(other, "T4").failed(.decryptFailed, message: "n")
        #expect(shape(stalled) == ["Ready=False DecryptFailed T1", "Stalled=True DecryptFailed T4"])
        let synced = update(stalled, "T5").synced(secret, key: key, at: nil)
        #expect(shape(synced) == ["Ready=True Synced T5"])
    }

    // MARK: restarts

    private let api = WrappedSecretSpec.Workload(kind: "Deployment", name: "api")

    private func restarting(_ previous: WrappedSecretStatus?, _ now: String = "T4") -> StatusUpdate {
        StatusUpdate(object: object, restartsWorkloads: true, previous: previous, now: now)
    }

    /// The values that follow those of `secret`.
    private var changed: WrappedSecretStatus.SecretState {
        var changed = secret
        changed.mac = "m2"
        return changed
    }

    /// A status whose Secret has new values for which workloads were not restarted yet.
    private var pending: WrappedSecretStatus {
        let first = restarting(nil, "T1").synced(secret, key: key, at: nil)
        return restarting(first, "T2").synced(changed, key: key, at: nil)
    }

    /// `pending`, after `api` could not be restarted.
    private var failed: WrappedSecretStatus {
        var result = RestartResult()
        result.recordMissing(api)
        return restarting(pending, "T3").restarted(result)
    }

    @Test func theFirstSyncMakesNoRestartPending() {
        let first = restarting(nil, "T1").synced(secret, key: key, at: nil)
        #expect(first.rolloutRestart == .init(mac: "m", time: "T1"))
        #expect(shape(first) == ["Ready=True Synced T1"])
    }

    @Test func newValuesMakeARestartPending() {
        #expect(pending.rolloutRestart?.mac == "m")
    }

    @Test func aFailedRestartIsReportedAndStaysPending() {
        #expect(shape(failed) == ["Ready=True Synced T1", "RolloutRestarted=False WorkloadMissing T3"])
        #expect(failed.rolloutRestart?.mac == "m")
    }

    @Test func aPendingRestartOutlastsEveryOtherStatus() {
        let unavailable = update(failed).failed(.kmsUnavailable, message: "m")
        #expect(unavailable.condition(.rolloutRestarted) != nil)
        #expect(unavailable.rolloutRestart?.mac == "m")
        #expect(restarting(failed).suspended().condition(.rolloutRestarted) != nil)
        let synced = restarting(failed).synced(changed, key: key, at: nil)
        #expect(synced.condition(.rolloutRestarted) != nil)
    }

    @Test func aRestartOfAllWorkloadsIsReported() {
        var result = RestartResult()
        result.recordRestart(api)
        let restarted = restarting(failed).restarted(result)
        #expect(restarted.condition(.rolloutRestarted)?.message == "restarted: Deployment api")
        #expect(restarted.rolloutRestart == .init(mac: "m2", time: "T4"))
    }

    @Test func theFormerValuesEndAPendingRestart() {
        let reverted = restarting(failed).synced(secret, key: key, at: nil)
        #expect(reverted.condition(.rolloutRestarted) == nil)
    }

    @Test func theFormerValuesDoNotEndAPendingRestartAfterAnotherWorkloadWasRestarted() {
        var result = RestartResult()
        result.recordMissing(api)
        result.recordRestart(.init(kind: "Deployment", name: "other"))
        let reverted = restarting(restarting(failed).restarted(result)).synced(secret, key: key, at: nil)
        #expect(reverted.rolloutRestart?.mac != secret.mac)
        #expect(reverted.condition(.rolloutRestarted)?.status == "False")
    }

    @Test func aWorkloadThatIsListedWithNewValuesHasAPendingRestart() {
        let before = update().synced(secret, key: key, at: nil)
        #expect(restarting(before).synced(changed, key: key, at: nil).rolloutRestart?.mac == "m")
    }

    @Test func anObjectWithoutWorkloadsReportsNoRestart() {
        let status = update(failed, "T5").synced(changed, key: key, at: nil)
        #expect(status.rolloutRestart == nil)
        #expect(shape(status) == ["Ready=True Synced T1"])
    }

    @Test func aSuspendedObjectKeepsReady() {
        let synced = update(nil, "T1").synced(secret, key: key, at: nil)
        let suspended = update(synced, "T2").suspended()
        #expect(shape(suspended) == ["Ready=True Synced T1", "Suspended=True Suspended T2"])
        #expect(update(suspended, "T3").suspended() == suspended)
        let failed = update(nil, "T1").failed(.invalidSpec, message: "m")
        #expect(
            shape(update(failed, "T2").suspended()) == [
                "Ready=False InvalidSpec T1", "Suspended=True Suspended T2",
            ])
        #expect(shape(update().suspended()) == ["Suspended=True Suspended T1"])
    }

    @Test func aLongMessageIsTruncated() {
        let status = update().failed(.invalidSpec, message: String(repeating: "é", count: 40_000))
        #expect((status.conditions?[0].message.utf8.count ?? 0) <= 32_768, "metav1.Condition's limit")
    }

    @Test func thePatchTestsTheUID() throws {
        var status = WrappedSecretStatus()
        status.observedGeneration = 3
        let patch = try AnyJSON(
            StatusUpdate.patch(status, uid: "u1").body.bytes.withUnsafeBytes { Array($0) })
        #expect(
            patch == [
                ["op": "test", "path": "/metadata/uid", "value": "u1"],
                ["op": "add", "path": "/status", "value": ["observedGeneration": 3]],
            ])
    }
}
