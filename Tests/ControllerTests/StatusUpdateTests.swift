import Cryptography
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

@Suite struct StatusUpdateTests {
    private let object = ObjectMeta(name: "db", namespace: "n", uid: "u1", generation: 3)
    private let made = WrappedSecretStatus.SecretState(
        name: "db", uid: "s1", resourceVersion: "50", generation: 3, mac: "m", renderVersion: 1)

    private func update(_ previous: WrappedSecretStatus? = nil, _ now: String = "T1") -> StatusUpdate {
        StatusUpdate(object: object, previous: previous, now: now)
    }

    private func shape(_ status: WrappedSecretStatus) -> [String] {
        (status.conditions ?? []).map { "\($0.type)=\($0.status) \($0.reason) \($0.lastTransitionTime)" }
    }

    @Test func synced() {
        let status = update().synced(made, keyID: "k", keyVersion: "2", at: nil)
        #expect(shape(status) == ["Ready=True Synced T1"])
        #expect(status.observedGeneration == 3 && status.conditions?[0].observedGeneration == 3)
        #expect(status.secret == made && status.keyID == "k" && status.keyVersion == "2")
        #expect(status.lastSyncTime == "T1")
    }

    @Test func transientFailuresReconcileAndPermanentOnesStall() {
        for reason in Reason.allCases where reason != .synced {
            let second = reason.isTerminal ? "Stalled" : "Reconciling"
            #expect(
                shape(update().failed(reason, message: "m")) == [
                    "Ready=False \(reason.rawValue) T1", "\(second)=True \(reason.rawValue) T1",
                ])
        }
    }

    @Test func aFailureKeepsWhatIsKnownOfTheSecret() {
        let before = update().synced(made, keyID: "k", keyVersion: "2", at: nil)
        let status = update(before, "T2").failed(.kmsUnavailable, message: "m")
        #expect(status.secret == made && status.lastSyncTime == "T1" && status.keyID == "k")
        #expect(status.conditions?[0].message == "m")
    }

    @Test func timesMoveOnlyWithTheStatusOfACondition() {
        let first = update(nil, "T1").failed(.kmsUnavailable, message: "m")
        let again = update(first, "T2").failed(.kmsUnavailable, message: "m")
        #expect(again == first, "nothing to write")
        let other = update(again, "T3").failed(.unwrapDenied, message: "n")
        #expect(
            shape(other) == ["Ready=False UnwrapDenied T1", "Reconciling=True UnwrapDenied T1"])
        let stalled = update(other, "T4").failed(.decryptFailed, message: "n")
        #expect(shape(stalled) == ["Ready=False DecryptFailed T1", "Stalled=True DecryptFailed T4"])
        let synced = update(stalled, "T5").synced(made, keyID: "k", keyVersion: nil, at: nil)
        #expect(shape(synced) == ["Ready=True Synced T5"])
    }

    @Test func restartsAreOwedWhenTheValuesAreOthers() {
        var restarting = update()
        restarting.restartsWorkloads = true
        let first = restarting.synced(made, keyID: "k", keyVersion: nil, at: nil)
        #expect(first.rolloutRestart == .init(mac: "m", time: "T1"), "the first sync only records")
        #expect(shape(first) == ["Ready=True Synced T1"])

        var changed = made
        changed.mac = "m2"
        restarting = StatusUpdate(object: object, restartsWorkloads: true, previous: first, now: "T2")
        let second = restarting.synced(changed, keyID: "k", keyVersion: nil, at: nil)
        #expect(second.rolloutRestart?.mac == "m")

        let api = WrappedSecretSpec.Workload(kind: "Deployment", name: "api")
        var result = RestartResult()
        result.recordMissing(api)
        restarting = StatusUpdate(object: object, restartsWorkloads: true, previous: second, now: "T3")
        let owed = restarting.restarted(result)
        #expect(shape(owed) == ["Ready=True Synced T1", "RolloutRestarted=False WorkloadMissing T3"])
        #expect(owed.rolloutRestart?.mac == "m")

        // Whatever happens to the Secret meanwhile, the debt is not forgotten.
        restarting = StatusUpdate(object: object, restartsWorkloads: true, previous: owed, now: "T4")
        let failed = update(owed).failed(.kmsUnavailable, message: "m")
        #expect(failed.condition(.rolloutRestarted) != nil && failed.rolloutRestart?.mac == "m")
        #expect(restarting.suspended().condition(.rolloutRestarted) != nil)
        #expect(
            restarting.synced(changed, keyID: "k", keyVersion: nil, at: nil).condition(.rolloutRestarted)
                != nil)

        var done = RestartResult()
        done.recordRestart(api)
        let paid = restarting.restarted(done)
        #expect(paid.condition(.rolloutRestarted)?.message == "restarted: Deployment api")
        #expect(paid.rolloutRestart == .init(mac: "m2", time: "T4"))
        // Values that were there before: nothing is owed, and nothing said of it.
        let reverted = restarting.synced(made, keyID: "k", keyVersion: nil, at: nil)
        #expect(reverted.condition(.rolloutRestarted) == nil)
        // Unless one was restarted meanwhile.
        result.recordRestart(.init(kind: "Deployment", name: "eager"))
        restarting = StatusUpdate(
            object: object, restartsWorkloads: true, previous: restarting.restarted(result), now: "T4")
        let mixed = restarting.synced(made, keyID: "k", keyVersion: nil, at: nil)
        #expect(
            mixed.rolloutRestart?.mac != made.mac && mixed.condition(.rolloutRestarted)?.status == "False")

        // Listed at the same time as there are other values: what runs has those from before.
        let before = update().synced(made, keyID: "k", keyVersion: nil, at: nil)
        let late = StatusUpdate(object: object, restartsWorkloads: true, previous: before, now: "T5")
            .synced(changed, keyID: "k", keyVersion: nil, at: nil)
        #expect(late.rolloutRestart?.mac == "m")

        let left = StatusUpdate(object: object, previous: paid, now: "T5")
            .synced(changed, keyID: "k", keyVersion: nil, at: nil)
        #expect(left.rolloutRestart == nil && shape(left) == ["Ready=True Synced T1"])
    }

    @Test func suspendingKeepsReady() {
        let synced = update(nil, "T1").synced(made, keyID: "k", keyVersion: nil, at: nil)
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

    @Test func longMessagesAreCut() {
        let status = update().failed(.invalidSpec, message: String(repeating: "é", count: 40_000))
        #expect((status.conditions?[0].message.utf8.count ?? 0) <= 32_768, "metav1.Condition's limit")
    }

    @Test func thePatchTestsTheUID() throws {
        var status = WrappedSecretStatus()
        status.observedGeneration = 3
        let patch = try AnyJSON(
            try StatusPatch.make(status, uid: "u1").body.bytes.withUnsafeBytes { Array($0) })
        #expect(
            patch == [
                ["op": "test", "path": "/metadata/uid", "value": "u1"],
                ["op": "add", "path": "/status", "value": ["observedGeneration": 3]],
            ])
    }
}
