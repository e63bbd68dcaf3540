import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import Controller

struct CacheTransformTests {
    private static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

    private func wrapped(_ name: String) throws -> Decoded<WrappedSecret> {
        try decoded(
            """
            {"metadata": {"name": "\(name)", "namespace": "payments-of-the-shop", "uid": "u-\(name)", "generation": 3,
              "resourceVersion": "7", "creationTimestamp": "2026-11-26T02:39:28Z", "labels": {"app.example.com/name": "x"},
              "annotations": {"\(Self.lastApplied)": "{}", "secrets-bridge.io/sync": "now"},
              "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]},
             "spec": {"format": "v1", "scope": "strict", "mac": "mac-of-more-than-15-bytes", "data": {"password": "\(name)"},
              "recipients": [{"keyID": "vault-transit:transit/sb-wrap", "wrappedKey": "vault:v1:\(name)"}]},
             "status": {"keyID": "vault-transit:transit/sb-wrap", "observedGeneration": 3,
              "secret": {"name": "\(name)", "mac": "mac-of-more-than-15-bytes", "uid": "s"},
              "conditions": [{"type": "Ready", "status": "True", "reason": "Synced", "message": "\(name) is up to date",
               "lastTransitionTime": "2026-11-26T02:39:28Z", "observedGeneration": 3}]}}
            """)
    }

    private func decoded<Value: JSONReadable>(_ json: String) throws -> Value {
        try JSONReader.read(Value.self, from: Array(json.utf8))
    }

    /// Interning must not mix the values of objects, whatever the pool contains.
    @Test func keepsTheValuesOfEachObject() throws {
        let transform = CacheTransform()
        for round in 0..<3 {
            for index in 0..<1000 {
                let name = "wrapped-secret-\(index)-\(round)"
                guard case .object(var object) = try wrapped(name),
                    case .object(let transformed) = transform.transformed(.object(object))
                else { throw Unexpected() }
                object.metadata.managedFields = nil
                object.metadata.creationTimestamp = nil
                object.metadata.labels = nil
                object = object.droppingCiphertexts()
                #expect(transformed == object)
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

    @Test func aPoolSharesEqualValuesAndIsBounded() {
        var pool = InternPool<String>()
        func storage(_ text: String) -> UnsafeRawPointer? {
            var text = text
            return text.withUTF8 { UnsafeRawPointer($0.baseAddress) }
        }
        func long(_ number: Int) -> String { "a text of more than 15 bytes, \(number)" }
        let first = pool.interned(long(1))
        #expect(storage(pool.interned(long(1))) == storage(first))
        for number in 0..<10_000 { #expect(pool.interned(long(number)) == long(number)) }
        #expect(pool.count <= 512)
    }

    private struct Unexpected: Error {}
}
