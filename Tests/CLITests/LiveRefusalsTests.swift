import Envelope
import KubeClient
import Resources
import Testing

@testable import CLI

/// The reasons that `diff` shows for changes that the controller would not make.
struct LiveRefusalsTests {
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
        LiveRefusals.refusals(of: secret, name: "db", nil, entries: [], live)
    }

    private func owner(_ kind: String, _ version: String, _ name: String) -> [OwnerReference] {
        [OwnerReference(apiVersion: version, kind: kind, name: name, uid: "u", controller: true)]
    }

    @Test func refusesASecretOfAnotherOwner() {
        #expect(
            refusals(of: ObjectMeta(name: "db", uid: "s")) == [
                "Secret was not created by this WrappedSecret; the controller adopts it only with the annotation "
                    + "secrets-bridge.io/allow: adopt"
            ])
        #expect(
            refusals(of: ObjectMeta(name: "db", annotations: [OwnershipMetadata.allowAnnotation: "adopt"]))
                == [])
        #expect(
            refusals(
                of: ObjectMeta(name: "db", annotations: [OwnershipMetadata.wrappedSecretAnnotation: "db"]))
                == [])
        #expect(
            refusals(
                of: ObjectMeta(name: "db", annotations: [OwnershipMetadata.wrappedSecretAnnotation: "x"]))
                == ["Secret was created by WrappedSecret x"])
        let (kind, version) = ("WrappedSecret", "secrets-bridge.io/v1alpha1")
        #expect(refusals(of: ObjectMeta(name: "db", ownerReferences: owner(kind, version, "db"))) == [])
        #expect(
            refusals(of: ObjectMeta(name: "db", ownerReferences: owner(kind, version, "x")))
                == ["Secret is owned by WrappedSecret x"])
        #expect(
            refusals(
                of: ObjectMeta(
                    name: "db", annotations: [OwnershipMetadata.allowAnnotation: "adopt"],
                    ownerReferences: owner("SealedSecret", "bitnami.com/v1alpha1", "x")))
                == ["Secret is owned by SealedSecret x"])
        // kubectl replace removed the ownership metadata.
        let replaced = ObjectMeta(
            name: "db", uid: "s", managedFields: [ManagedFieldsEntry(manager: KubeClient.fieldManager)])
        #expect(refusals(of: replaced, wrapped(written: 2)) == [])
        #expect(refusals(of: replaced).count == 1)
    }

    @Test func refusesToMergeIntoEntriesOfOtherManagers() throws {
        let merger = try MergeIdentity("db")
        func refusals(_ secret: ObjectMeta) -> [String] {
            LiveRefusals.refusals(of: secret, name: "db", merger, entries: ["a", "b"], nil)
        }
        let allow = [OwnershipMetadata.allowAnnotation: "merge"]
        let chart = ManagedFieldsEntry(manager: "chart", data: ["b", "own"])
        #expect(
            refusals(ObjectMeta(name: "app", annotations: allow, managedFields: [chart]))
                == ["entry b is managed by chart; creationPolicy Merge does not overwrite it"])
        let own = ManagedFieldsEntry(manager: merger.fieldManager, data: ["a", "b"])
        #expect(refusals(ObjectMeta(name: "app", annotations: allow, managedFields: [chart, own])) == [])
        let marked = allow.merging([merger.entriesAnnotation: "a,b"]) { $1 }
        #expect(refusals(ObjectMeta(name: "app", annotations: marked, managedFields: [chart])) == [])
        #expect(
            refusals(ObjectMeta(name: "app"))
                == [
                    "Secret does not allow merging; it needs the annotation secrets-bridge.io/allow: merge"
                ])
        #expect(
            refusals(ObjectMeta(name: "app", annotations: [OwnershipMetadata.wrappedSecretAnnotation: "x"]))
                == [
                    "Secret is owned by WrappedSecret x; creationPolicy Merge requires a Secret that no WrappedSecret owns"
                ])
    }

    @Test func refusesChangesToASuspendedWrappedSecret() {
        #expect(LiveRefusals.suspension(inFile: true, nil) != nil)
        #expect(LiveRefusals.suspension(inFile: nil, wrapped(suspend: true)) != nil)
        #expect(LiveRefusals.suspension(inFile: false, wrapped(suspend: true)) == nil)
        #expect(LiveRefusals.suspension(inFile: nil, wrapped()) == nil)
        #expect(LiveRefusals.suspension(inFile: nil, nil) == nil)
    }

    /// The status of a suspended object has its generation, and its Secret an earlier one.
    @Test func isSyncedOnlyInTheGenerationThatWasWritten() {
        #expect(wrapped(generation: 2, written: 2).isSynced)
        #expect(!wrapped(suspend: true, generation: 2, written: 1).isSynced)
        #expect(!wrapped(generation: 2).isSynced)
    }
}
