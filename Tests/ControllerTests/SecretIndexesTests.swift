import KubeClient
import Resources
import Testing

@testable import Controller

@Suite struct SecretIndexesTests {
    private let db = ObjectRef(namespace: "payments", name: "db")
    private let index = OwnedSecretIndex()

    private func owned(_ name: String) -> ObjectMeta {
        ObjectMeta(
            name: name, namespace: "payments",
            ownerReferences: [OwnershipMetadata.ownerReference(to: unsealedWrappedSecret())])
    }

    @Test func listsTheSecretsThatAWrappedSecretOwnsUntilTheyChange() {
        index.update(nil, owned("b"))
        index.update(nil, owned("a"))
        #expect(index.ownedSecretNames(by: db) == ["a", "b"])
        index.update(owned("a"), ObjectMeta(name: "a", namespace: "payments"))
        index.update(owned("b"), nil)
        #expect(index.ownedSecretNames(by: db) == [])
    }

    @Test func listsMergedSecretsByTheUIDOfEachWrappedSecret() throws {
        let shared = ObjectMeta(
            name: "app", namespace: "payments",
            annotations: [
                try MergeIdentity("db").sourceAnnotation: "u1/3",
                try MergeIdentity("other").sourceAnnotation: "u2/1",
                OwnershipMetadata.sourceAnnotation: "u3/1", "example.org/x": "u4/1",
            ])
        index.update(nil, shared)
        #expect(index.mergedSecretNames(by: "u1", in: "payments") == ["app"])
        #expect(index.mergedSecretNames(by: "u2", in: "payments") == ["app"])
        #expect(index.mergedSecretNames(by: "u3", in: "payments") == [])
        #expect(index.mergedSecretNames(by: "u4", in: "payments") == [])
        #expect(index.mergedSecretNames(by: "u1", in: "other") == [], "an annotation there may be forged")
        #expect(index.hasNoOtherSecret(ObjectRef(namespace: "other", name: "db")) { "u1" })
        #expect(!index.hasNoOtherSecret(db) { "u1" })
        index.update(shared, nil)
        #expect(index.mergedSecretNames(by: "u1", in: "payments") == [])
    }
}
