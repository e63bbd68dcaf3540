import Testing

@testable import KubeClient

@Suite struct StoreTests {
    private let store = Store<String> { String($0.prefix(1)) }

    private func ref(_ name: String) -> ObjectRef { ObjectRef(namespace: "n", name: name) }

    private func fill(_ contents: [String: String]) -> Store<String>.Difference {
        store.beginList()
        for (name, value) in contents { _ = store.apply(ref(name), value) }
        return store.commitList()
    }

    @Test func hasSyncedAfterTheFirstList() {
        #expect(!store.hasSynced)
        store.beginList()
        guard case .buffered = store.apply(ref("a"), "1") else {
            Issue.record("the value is visible before the list is complete")
            return
        }
        #expect(store[ref("a")] == nil)
        #expect(store.count == 0)
        #expect(!store.hasSynced)
        #expect(Array(store.commitList().changed.keys) == [ref("a")])
        #expect(store[ref("a")] == "1")
        #expect(store.hasSynced)
    }

    @Test func returnsTheChangesOfANewList() {
        _ = fill(["same": "1 old", "changed": "1", "gone": "1"])
        let difference = fill(["same": "1 new", "changed": "2", "new": "1"])
        #expect(Set(difference.changed.keys) == [ref("changed"), ref("new")])
        #expect(difference.removed == [ref("gone"): "1"])
        #expect(store[ref("same")] == "1 new")
        #expect(Set(store.refs) == [ref("same"), ref("changed"), ref("new")])
    }

    @Test func showsTheOldContentsWhileListing() {
        _ = fill(["a": "1", "b": "1"])
        store.beginList()
        _ = store.apply(ref("a"), "2")
        #expect(store[ref("a")] == "1")
        #expect(store[ref("b")] == "1")
        store.beginList()
        #expect(store.commitList().removed.count == 2, "a list that was not committed is dropped")
    }

    @Test func showsEventsImmediately() {
        _ = fill(["a": "1"])
        guard case .visible(before: "1") = store.apply(ref("a"), "2") else {
            Issue.record("the previous value is not returned")
            return
        }
        #expect(store[ref("a")] == "2")
        #expect(store.remove(ref("a")).visible == "2")
        #expect(store[ref("a")] == nil)
        #expect(store.remove(ref("a")).visible == nil)
    }

    @Test func removesFromContentsAndBufferWhileListing() {
        _ = fill(["a": "1"])
        store.beginList()
        _ = store.apply(ref("a"), "2")
        let removal = store.remove(ref("a"))
        #expect(removal.visible == "1")
        #expect(removal.buffered == "2")
        #expect(store[ref("a")] == nil)
        let difference = store.commitList()
        #expect(difference.changed.isEmpty)
        #expect(difference.removed.isEmpty)
        #expect(store.count == 0)
    }

    @Test func changesNothingWhenCommittedWithoutAList() {
        _ = fill(["a": "1"])
        let difference = store.commitList()
        #expect(difference.changed.isEmpty)
        #expect(difference.removed.isEmpty)
        #expect(store[ref("a")] == "1")
    }
}
