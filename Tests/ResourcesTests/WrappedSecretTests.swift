import Cryptography
import Envelope
import Foundation
import JSON
import KubeClient
import Testing

@testable import Resources

@Suite struct WrappedSecretTests {
    @Test func decodesAllFields() throws {
        let object = try decode(
            WrappedSecret.self,
            #"""
            {"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret",
             "metadata":{"name":"db","namespace":"n","uid":"u","generation":4,"resourceVersion":"9"},
             "spec":{"format":"v1","scope":"strict","recipients":[{"keyID":"a:b","wrappedKey":"w"}],"mac":"m",
              "data":{"k":"v"},"template":{"metadata":{"name":"s","labels":{"a":"b"}},"type":"t","immutable":true},
              "keyRef":{"kind":"ClusterKeyProvider","name":"eu"},"creationPolicy":"Orphan","recreate":true,
              "suspend":true,"rolloutRestart":[{"kind":"Deployment","name":"api"}],"later":1},
             "status":{"observedGeneration":-1,"later":{}}}
            """#)
        #expect(object.metadata.generation == 4)
        #expect(object.secretName == "s")
        #expect(object.spec.envelope.data == ["k": "v"])
        #expect(object.spec.envelope.recipients.count == 1)
        #expect(object.spec.template?.immutable == true)
        #expect(object.spec.keyRef?.name == "eu")
        #expect(object.spec.rolloutRestart?.count == 1)
        #expect(object.spec.suspend == true)
        #expect(object.status?.observedGeneration == -1)
    }

    @Test func decodesAnObjectWithoutData() throws {
        let object = try decode(
            WrappedSecret.self,
            #"{"metadata":{"name":"db"},"spec":{"format":"v1","scope":"strict","recipients":[],"mac":"m"}}"#)
        #expect(object.spec.envelope.data.isEmpty)
        #expect(object.secretName == "db")
    }

    @Test(arguments: [
        (#"{"scope":"s","recipients":[],"mac":"m"}"#, "spec.format is missing"),
        (
            #"{"format":"v1","scope":"s","recipients":[{"keyID":"a"}],"mac":"m"}"#,
            "spec.recipients[0].wrappedKey is missing"
        ),
        (
            #"{"format":"v1","scope":"s","recipients":[],"mac":"m","data":{"k":7}}"#,
            "spec.data.k is not of type string"
        ),
        (
            #"{"format":"v1","scope":"s","recipients":[],"mac":"m","template":{"immutable":"yes"}}"#,
            "spec.template.immutable is not of type boolean"
        ),
    ]) func namesTheMissingOrMistypedField(spec: String, problem: String) throws {
        let item = try decode(
            Decoded<WrappedSecret>.self,
            #"{"metadata":{"name":"db"},"spec":\#(spec),"status":{"keyID":"k"}}"#)
        guard case .malformed(_, let status, let found) = item else {
            Issue.record("\(item)")
            return
        }
        #expect(found == problem)
        #expect(status?.keyID == "k")
    }

    @Test func encodesAStatusThatDecodesToTheSame() throws {
        var status = WrappedSecretStatus()
        status.observedGeneration = 3
        status.keyID = "k"
        status.keyVersion = "7"
        status.secret = .init(
            name: "db", uid: "u", resourceVersion: "9", generation: 3, mac: "m", templateHash: "t",
            renderVersion: 1)
        status.rolloutRestart = .init(mac: "m", templateHash: "t", time: "T2")
        status.lastSyncTime = "T3"
        status.lastVerifiedTime = "T4"
        status.lastHandledSync = "once"
        status.conditions = [
            Condition(
                .ready, true, observedGeneration: 3, lastTransitionTime: "T", reason: "Synced", message: "m")
        ]
        var writer = JSONSecretWriter()
        status.write(to: &writer)
        let data = writer.finish().withUnsafeBytes { Data($0) }
        #expect(try JSONReader.read(WrappedSecretStatus.self, from: Array(data)) == status)
        let fields = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        #expect(
            Set(fields.keys) == Set(Mirror(reflecting: status).children.compactMap(\.label)),
            "each field of the type is written")
        #expect(status.condition(.ready)?.status == "True")
        #expect(status.condition(.stalled) == nil)
    }

    /// The names of the reasons are API.
    @Test func everyReasonIsTerminalOrTransient() {
        let waiting = Reason.allCases.filter(\.isTerminal).map(\.rawValue)
        #expect(
            Set(waiting) == [
                "InvalidSpec", "UnsupportedFormat", "IntegrityFailed", "DecryptFailed", "ForbiddenType",
                "TooLarge",
            ])
    }
}

@Suite struct OwnershipMetadataTests {
    private func secret(_ references: OwnerReference...) -> ObjectMeta {
        ObjectMeta(name: "s", ownerReferences: references)
    }

    private func reference(
        _ kind: String = "WrappedSecret", _ name: String = "db", group: String = "secrets-bridge.io/v1alpha1",
        controller: Bool? = true
    ) -> OwnerReference {
        OwnerReference(apiVersion: group, kind: kind, name: name, uid: "u", controller: controller)
    }

    @Test func theOwnerIsTheControllingWrappedSecret() {
        #expect(OwnershipMetadata.owner(of: secret())?.name == nil)
        #expect(OwnershipMetadata.owner(of: secret(reference()))?.name == "db")
        #expect(OwnershipMetadata.owner(of: secret(reference(group: "secrets-bridge.io/v9")))?.name == "db")
        #expect(OwnershipMetadata.owner(of: secret(reference(group: "x.io/v1")))?.name == nil)
        #expect(OwnershipMetadata.owner(of: secret(reference("Other")))?.name == nil)
        let both = secret(reference(controller: nil), reference("Job", "j", group: "batch/v1"))
        #expect(OwnershipMetadata.owner(of: both)?.name == nil, "another controller owns it")
    }

    @Test func withoutAControllerTheOwnerIsTheFirstWrappedSecret() {
        let edited = secret(reference("Job", "j", controller: nil), reference(controller: false))
        #expect(OwnershipMetadata.owner(of: edited)?.name == "db")
    }

    @Test func theOwnerReferenceControlsWithoutBlockingDeletion() {
        let reference = OwnershipMetadata.ownerReference(to: object())
        #expect(reference.controller == true)
        #expect(reference.blockOwnerDeletion == nil)
        #expect(reference.uid == "u1")
        #expect(OwnershipMetadata.annotations(of: object())["secrets-bridge.io/source"] == "u1/3")
    }
}
