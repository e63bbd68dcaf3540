import KubeClient
import Resources
import Testing

@testable import Controller

@Suite struct OwnedSecretIndexTests {
    private let db = ObjectRef(namespace: "payments", name: "db")

    private func owned(_ name: String) -> ObjectMeta {
        ObjectMeta(
            name: name, namespace: "payments",
            ownerReferences: [OwnershipMetadata.ownerReference(to: unsealedWrappedSecret())])
    }

    @Test func namesFollowTheWatch() throws {
        let made = OwnedSecretIndex()
        made.update(nil, owned("b"))
        made.update(nil, owned("a"))
        #expect(made.ownedSecretNames(by: db) == ["a", "b"])
        made.update(owned("a"), ObjectMeta(name: "a", namespace: "payments"))
        made.update(owned("b"), nil)
        #expect(made.ownedSecretNames(by: db) == [])
    }

    @Test func entriesAreKnownByTheUidOfEachWrappedSecret() throws {
        let made = OwnedSecretIndex()
        let shared = ObjectMeta(
            name: "app", namespace: "payments",
            annotations: [
                try MergeIdentity("db").sourceAnnotation: "u1/3",
                try MergeIdentity("other").sourceAnnotation: "u2/1",
                OwnershipMetadata.sourceAnnotation: "u3/1",
                "example.org/x": "u4/1",
            ])
        made.update(nil, shared)
        #expect(
            made.mergedSecretNames(enteredBy: "u1") == ["app"]
                && made.mergedSecretNames(enteredBy: "u2") == ["app"])
        #expect(
            made.mergedSecretNames(enteredBy: "u3") == [] && made.mergedSecretNames(enteredBy: "u4") == [])
        made.update(shared, nil)
        #expect(made.mergedSecretNames(enteredBy: "u1") == [])
    }
}
