import Envelope
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

/// Plans from random states of a WrappedSecret and its Secret; see `SyncModel`.
@Suite struct SyncPlanPropertyTests {
    @Test func reachesTheDesiredSecretOrLeavesOneThatItMayNotWrite() async {
        let violation = await PropertyRun.violation(seeds: 25) { random in
            var model = SyncModel()
            if random.chance(0.7) { model.replaceSecret(&random) }
            for _ in 0..<8 where model.violation == nil {
                model.change(&random)
                // The watch may be behind.
                if random.chance(0.7) { model.syncCache() }
                _ = model.reconcile()
                model.checkFingerprints()
            }
            let end = model.settle()
            if model.violation == nil { Self.check(&model, end) }
            return model.violation
        }
        #expect(violation == nil)
    }

    /// Compares what the model has reached with what it has to reach, also after a restart.
    private static func check(_ model: inout SyncModel, _ end: SyncModel.End?) {
        if let expected = model.expectedEnd, end != expected {
            model.fail("\(String(describing: end)) instead of \(expected), origin \(model.origin)")
        }
        if end == .inSync, let difference = model.difference { model.fail(difference) }
        let (writes, unwraps, status) = (model.writeCount, model.unwrapCount, model.object.status)
        model.record = SyncRecord()
        let next = model.reconcile()
        if next != end { model.fail("\(next) instead of \(String(describing: end)) after a restart") }
        if model.writeCount != writes { model.fail("a restart writes the Secret") }
        if model.unwrapCount != unwraps { model.fail("a restart unwraps") }
        if model.object.status != status { model.fail("a restart writes the status") }
    }
}

extension SyncModel {
    /// A start leaves an object alone whose fingerprint is that of its Secret: the plan has to find it in sync too.
    fileprivate mutating func checkFingerprints() {
        guard let secret, let expected = SyncFingerprint(object, OperatorPolicy()),
            expected == SyncFingerprint(secret)
        else { return }
        let plan = SyncPlan.decide(SyncInput(object: object, status: object.status, current: secret))
        guard case .perform(.inSync, _) = plan else { return fail("fingerprints match, but: \(plan)") }
    }

    /// Reconciles until nothing changes any more.
    fileprivate mutating func settle() -> End? {
        var retries = 0
        for _ in 0..<8 {
            syncCache()
            let before = (object.status, writeCount)
            let end = reconcile()
            if end == .retry { retries += 1 }
            if retries == 2 {
                fail("a failure lasts although no other writer is active")
                return end
            }
            if end != .retry, end != .written, before == (object.status, writeCount) { return end }
        }
        fail("the object does not settle")
        return nil
    }

    /// Returns how the Secret and the status differ from those of an object in sync.
    fileprivate var difference: String? {
        guard let secret, let desired = try? DesiredSecret(object) else { return "there is no Secret" }
        if values["password"] != object.spec.envelope.mac { return "the values differ" }
        if desired.mergeIdentity == nil, values.count != 1 { return "there are other entries" }
        let changes = MetadataChanges(secret, to: desired, of: object, adding: [:])
        if !changes.isEmpty { return "the metadata differs: \(changes)" }
        let ready = object.status?.condition(.ready)
        if ready?.status != "True" { return "the status reports \(ready?.reason ?? "nothing")" }
        let isObserved = object.status?.observedGeneration == object.metadata.generation
        return isObserved ? nil : "the status is of another generation"
    }
}
