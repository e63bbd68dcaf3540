import KubeClient
import Testing

@testable import Controller

struct InformerStartTests {
    private let first = ObjectRef(namespace: "n", name: "first")
    private let second = ObjectRef(namespace: "n", name: "second")

    @Test func startsOnceWhenBothListsAreComplete() {
        var start = InformerStart()
        #expect(start.objectsListed(unsynced: []) == .waiting)
        #expect(start.objectsListed(unsynced: []) == .waiting)
        #expect(!start.hasStarted)
        #expect(start.secretsListed() == .starting)
        #expect(start.hasStarted)
        #expect(start.secretsListed() == .started)
        #expect(start.objectsListed(unsynced: []) == .started)
    }

    @Test func anObjectThatChangesBetweenTheListsGoesFirst() {
        var start = InformerStart()
        _ = start.objectsListed(unsynced: [first])
        start.changed(first, isUnsynced: false)
        start.changed(second, isUnsynced: true)
        #expect(start.secretsListed() == .starting)
        #expect(start.takeUnsynced() == [second])
        start.changed(first, isUnsynced: true)
        #expect(start.takeUnsynced() == [])
    }

    @Test func aLaterListReplacesWhatGoesFirst() {
        var start = InformerStart()
        _ = start.objectsListed(unsynced: [first])
        _ = start.objectsListed(unsynced: [second])
        _ = start.secretsListed()
        #expect(start.takeUnsynced() == [second])
    }
}
