import Envelope
import KubeClient
import Resources
import Testing

@testable import CLI

/// What `diff` says of changes that the controller does not make.
struct LiveRefusalTests {
    private func wrapped(
        suspend: Bool? = nil, generation: Int64 = 2, written: Int64? = nil
    ) -> WrappedSecret {
        var spec = WrappedSecretSpec(
            envelope: EnvelopeFields(format: "v1", scope: "strict", recipients: [], mac: "", data: [:]))
        spec.suspend = suspend
        var status = WrappedSecretStatus()
        status.observedGeneration = generation
        status.conditions = [
            Condition(
                .ready, true, observedGeneration: 2, lastTransitionTime: "", reason: "Synced", message: "")
        ]
        status.secret = written.map {
            .init(name: "db", uid: "s", resourceVersion: "1", generation: $0, mac: "", renderVersion: 1)
        }
        return WrappedSecret(
            metadata: ObjectMeta(name: "db", namespace: "n", generation: generation), spec: spec,
            status: status)
    }

    private func refusals(of secret: ObjectMeta, _ live: WrappedSecret? = nil) -> [String] {
        LiveRefusal.refusals(of: secret, name: "db", nil, entries: [], live)
    }

    private func owner(_ kind: String, _ version: String, _ name: String) -> [OwnerReference] {
        [OwnerReference(apiVersion: version, kind: kind, name: name, uid: "u", controller: true)]
    }

    @Test func aSecretThatWasNotHandedOverIsRefused() {
        #expect(
            refusals(of: ObjectMeta(name: "db", uid: "s")) == [
                "Secret was not made from this WrappedSecret; the controller does not take it without the annotation "
                    + "secrets-bridge.io/allow: adopt"
            ])
        #expect(refusals(of: ObjectMeta(name: "db", annotations: [Markers.allow: "adopt"])) == [])
        #expect(refusals(of: ObjectMeta(name: "db", annotations: [Markers.wrappedSecret: "db"])) == [])
        #expect(
            refusals(of: ObjectMeta(name: "db", annotations: [Markers.wrappedSecret: "x"]))
                == ["Secret was made by WrappedSecret x"])
        let (ours, version) = ("WrappedSecret", "secrets-bridge.io/v1alpha1")
        #expect(refusals(of: ObjectMeta(name: "db", ownerReferences: owner(ours, version, "db"))) == [])
        #expect(
            refusals(of: ObjectMeta(name: "db", ownerReferences: owner(ours, version, "x")))
                == ["Secret belongs to WrappedSecret x"])
        #expect(
            refusals(
                of: ObjectMeta(
                    name: "db", annotations: [Markers.allow: "adopt"],
                    ownerReferences: owner("SealedSecret", "bitnami.com/v1alpha1", "x")))
                == ["Secret belongs to SealedSecret x"])
        // kubectl replace dropped the marks.
        let replaced = ObjectMeta(
            name: "db", uid: "s", managedFields: [ManagedFields(manager: KubeClient.fieldManager)])
        #expect(refusals(of: replaced, wrapped(written: 2)) == [])
        #expect(refusals(of: replaced).count == 1)
    }

    @Test func mergeMeetsEntriesOfOthers() throws {
        let merger = try Merger("db")
        func refusals(_ secret: ObjectMeta) -> [String] {
            LiveRefusal.refusals(of: secret, name: "db", merger, entries: ["a", "b"], nil)
        }
        let allow = [Markers.allow: "merge"]
        let chart = ManagedFields(manager: "chart", data: ["b", "own"])
        #expect(
            refusals(ObjectMeta(name: "app", annotations: allow, managedFields: [chart]))
                == ["Secret has b from chart already; creationPolicy Merge does not overwrite it"])
        let ours = ManagedFields(manager: merger.fieldManager, data: ["a", "b"])
        #expect(refusals(ObjectMeta(name: "app", annotations: allow, managedFields: [chart, ours])) == [])
        let marked = allow.merging([merger.entries: "a,b"]) { $1 }
        #expect(refusals(ObjectMeta(name: "app", annotations: marked, managedFields: [chart])) == [])
        #expect(
            refusals(ObjectMeta(name: "app"))
                == [
                    "Secret does not allow entries of others; it needs the annotation secrets-bridge.io/allow: merge"
                ])
        #expect(
            refusals(ObjectMeta(name: "app", annotations: [Markers.wrappedSecret: "x"]))
                == ["Secret was made whole by WrappedSecret x; creationPolicy Merge does not take it"])
    }

    @Test func whatIsSuspendedStaysAsItIs() {
        #expect(LiveRefusal.suspension(asked: true, nil) != nil)
        #expect(LiveRefusal.suspension(asked: nil, wrapped(suspend: true)) != nil)
        #expect(LiveRefusal.suspension(asked: false, wrapped(suspend: true)) == nil)
        #expect(LiveRefusal.suspension(asked: nil, wrapped()) == nil)
        #expect(LiveRefusal.suspension(asked: nil, nil) == nil)
    }

    /// The status of a suspended object is of its generation, and its Secret of an earlier one.
    @Test func theTemplateCountsForTheGenerationThatWasWritten() {
        #expect(wrapped(generation: 2, written: 2).isWritten)
        #expect(!wrapped(suspend: true, generation: 2, written: 1).isWritten)
        #expect(!wrapped(generation: 2).isWritten)
    }
}
