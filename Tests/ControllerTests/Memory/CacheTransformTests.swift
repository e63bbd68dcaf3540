import Cryptography
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

struct CacheTransformTests {
    private static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    private static let mac = Base64.encode([UInt8](repeating: 1, count: 32))
    private static let ciphertext = Base64.encode([UInt8](repeating: 2, count: 40))

    private func wrapped(_ name: String) throws -> Decoded<WrappedSecret> {
        try decoded(
            """
            {"metadata": {"name": "\(name)", "namespace": "payments-of-the-shop", "uid": "u-\(name)", "generation": 3,
              "resourceVersion": "7", "creationTimestamp": "2026-11-26T02:39:28Z", "labels": {"app.example.com/name": "x"},
              "annotations": {"\(Self.lastApplied)": "{}", "secrets-bridge.io/sync": "now"},
              "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]},
             "spec": {"format": "v1", "scope": "strict", "mac": "\(Self.mac)", "data": {"password": "\(Self.ciphertext)"},
              "recipients": [{"keyID": "vault-transit:transit/sb-wrap", "wrappedKey": "vault:v1:\(name)"}]},
             "status": {"keyID": "vault-transit:transit/sb-wrap", "observedGeneration": 3,
              "secret": {"name": "\(name)", "mac": "\(Self.mac)", "uid": "s"},
              "conditions": [{"type": "Ready", "status": "True", "reason": "Synced", "message": "\(name) is up to date",
               "lastTransitionTime": "2026-11-26T02:39:28Z", "observedGeneration": 3}]}}
            """)
    }

    private func decoded<Value: JSONReadable>(_ json: String) throws -> Value {
        try JSONReader.read(Value.self, from: Array(json.utf8))
    }

    /// Sharing must not mix the values of objects, whatever the codec has kept.
    @Test func keepsTheValuesOfEachObject() throws {
        let codec = CacheCodec()
        for round in 0..<3 {
            for index in 0..<1000 {
                let name = "wrapped-secret-\(index)-\(round)"
                guard case .object(var object) = try wrapped(name) else { throw Unexpected() }
                let packed = try #require(codec.pack(CacheTransform.transformed(.object(object))))
                guard case .object(let unpacked) = codec.unpackObject(packed) else { throw Unexpected() }
                object.metadata.managedFields = nil
                object.metadata.creationTimestamp = nil
                object.metadata.labels = nil
                object = object.droppingCiphertexts()
                #expect(unpacked == object)
            }
        }
    }

    /// The annotation repeats the values of a Secret, and the caches must not contain plaintext.
    @Test func dropsTheLastAppliedAnnotationOfKubectl() throws {
        let secret: SecretMetadata = try decoded(
            """
            {"metadata": {"name": "db", "namespace": "payments", "annotations": {"\(Self.lastApplied)": "canary", "a": "b"},
             "managedFields": [{"manager": "secrets-bridge", "time": "2026-11-26T02:39:28Z", "fieldsV1":
              {"f:data": {"f:password": {}}, "f:metadata": {"f:labels": {"f:x": {}}, "f:annotations": {"f:a": {}}}}}]}}
            """)
        let informers = Informers(queue: WorkQueue(), logger: LogLines().logger)
        informers.handle(WatcherEvent<SecretMetadata>.initStarted)
        informers.handle(WatcherEvent.applied(Decoded<SecretMetadata>.object(secret)))
        informers.handle(WatcherEvent<SecretMetadata>.initDone(resourceVersion: "1"))
        let kept = try #require(informers.secrets[ObjectRef(namespace: "payments", name: "db")])
        #expect(kept.annotations == ["a": "b"])
        #expect(kept.managedFields == secret.metadata.managedFields)
        #expect(kept.keysOwned(by: "secrets-bridge").labels == ["x"])
        // Empty annotations differ from absent ones: a patch needs the parent field.
        let bare: SecretMetadata = try decoded(
            #"{"metadata": {"name": "db", "annotations": {"\#(Self.lastApplied)": "canary"}}}"#)
        #expect(bare.metadata.annotations == [:])
    }

    @Test func sharedValuesAreBounded() {
        var shared = SharedValues<String>(limit: 2)
        #expect(shared.index(of: "a", size: 1) == 0)
        #expect(shared.index(of: "b", size: 1) == 1)
        #expect(shared.index(of: "a", size: 1) == 0)
        #expect(shared.index(of: "c", size: 1) == nil)
        #expect(shared.values == ["a", "b"])
    }

    private struct Unexpected: Error {}
}
