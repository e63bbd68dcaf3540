import KubeClient
import Resources
import Testing

@testable import Controller

@Suite struct MadeSecretsTests {
    private let db = ObjectRef(namespace: "payments", name: "db")

    private func owned(_ name: String) -> ObjectMeta {
        ObjectMeta(
            name: name, namespace: "payments", ownerReferences: [Markers.ownerReference(to: unopened())])
    }

    @Test func namesFollowTheWatch() throws {
        let made = MadeSecrets()
        made.saw(nil, owned("b"))
        made.saw(nil, owned("a"))
        #expect(made.names(by: db) == ["a", "b"])
        made.saw(owned("a"), ObjectMeta(name: "a", namespace: "payments"))
        made.saw(owned("b"), nil)
        #expect(made.names(by: db) == [])
    }

    @Test func entriesAreKnownByTheUidOfEachWrappedSecret() throws {
        let made = MadeSecrets()
        let shared = ObjectMeta(
            name: "app", namespace: "payments",
            annotations: [
                try Merger("db").source: "u1/3", try Merger("other").source: "u2/1", Markers.source: "u3/1",
                "example.org/x": "u4/1",
            ])
        made.saw(nil, shared)
        #expect(made.names(enteredBy: "u1") == ["app"] && made.names(enteredBy: "u2") == ["app"])
        #expect(made.names(enteredBy: "u3") == [] && made.names(enteredBy: "u4") == [])
        made.saw(shared, nil)
        #expect(made.names(enteredBy: "u1") == [])
    }
}
