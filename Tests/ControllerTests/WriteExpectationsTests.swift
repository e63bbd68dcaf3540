import KubeClient
import Resources
import Testing

@testable import Controller

/// A write, its response and the events of the watch, in every order.
@Suite struct WriteExpectationsTests {
    private let writes = WriteExpectations()
    private let ref = ObjectRef(namespace: "n", name: "s")

    private func secret(_ version: String) -> ObjectMeta {
        ObjectMeta(name: "s", namespace: "n", uid: "u", resourceVersion: version)
    }

    private func known(_ cached: String?) -> String? {
        writes.newestSecret(ref, cached: cached.map(secret))?.resourceVersion
    }

    @Test func aWriteIsExpectedUntilTheWatchShowsIt() {
        writes.begin(secret: ref)
        #expect(known("5") == "5")
        #expect(known(nil) == nil)
        writes.complete(secret: secret("9"))
        #expect(known("5") == "9")
        #expect(known(nil) == "9")
        writes.observe(secret: secret("7"))
        #expect(known("7") == "9", "the event of an earlier version")
        writes.observe(secret: secret("9"))
        #expect(known("9") == "9")
        #expect(known(nil) == nil)
    }

    @Test func versionsAreComparedAsNumbers() {
        writes.complete(secret: secret("10"))
        #expect(known("9") == "10")
        #expect(known("11") == "11")
        writes.observe(secret: secret("9"))
        #expect(known("9") == "10")
        writes.observe(secret: secret("100"))
        #expect(known(nil) == nil)
    }

    @Test func aWriteIsNotExpectedIfItsEventComesBeforeTheResponse() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("9"))
        writes.complete(secret: secret("9"))
        #expect(known(nil) == nil)
    }

    @Test func anEventOfAnEarlierVersionDoesNotEndTheExpectation() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("8"))
        writes.complete(secret: secret("9"))
        #expect(known("8") == "9")
    }

    /// The Secret was written and deleted, and both events come before the response of the write.
    @Test func aDeletionBeforeTheResponseEndsTheExpectation() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("9"))
        writes.observe(secret: secret("11"))
        writes.complete(secret: secret("9"))
        #expect(known(nil) == nil)
    }

    @Test func aDeletionAfterTheResponseEndsTheExpectation() {
        writes.complete(secret: secret("9"))
        writes.observe(secret: secret("11"))
        #expect(known(nil) == nil)
    }

    @Test func aFailedWriteIsNotExpected() {
        writes.begin(secret: ref)
        writes.cancel(secret: ref)
        #expect(known("5") == "5")
        #expect(known(nil) == nil)
    }

    @Test func aListEndsTheExpectationOfAnEarlierWrite() {
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "9")
        #expect(known(nil) == nil, "the Secret was deleted")
    }

    @Test func aListDoesNotEndTheExpectationOfALaterWrite() {
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "8")
        #expect(known(nil) == "9", "its event comes later")
    }

    /// A restore of etcd to an older state starts its versions again from there, and loses our writes.
    @Test func aListOfARestoredServerEndsAllExpectations() {
        writes.observe(secret: secret("8"))
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "5")
        #expect(known("4") == "4")
        #expect(known(nil) == nil)
        writes.complete(secret: secret("6"))
        #expect(known("4") == "6", "a write after the restore is expected")
    }

    /// The response may be of a write from before the restore.
    @Test func aWriteDuringARestoreIsNotExpected() {
        writes.observe(secret: secret("8"))
        writes.begin(secret: ref)
        writes.observeSecretList(upTo: "5")
        writes.complete(secret: secret("9"))
        #expect(known("4") == "4")
        writes.begin(secret: ref)
        writes.complete(secret: secret("6"))
        #expect(known("4") == "6", "a write after the restore is expected")
    }

    /// Several WrappedSecrets merge into one Secret, which is deleted before the second response.
    @Test func eventsBetweenTheResponsesOfTwoWritesEndBothExpectations() {
        writes.begin(secret: ref)
        writes.begin(secret: ref)
        writes.complete(secret: secret("9"))
        writes.observe(secret: secret("9"))
        writes.observe(secret: secret("10"))
        writes.observe(secret: secret("11"))
        writes.complete(secret: secret("10"))
        #expect(known(nil) == nil)
    }

    @Test func theLaterOfTwoWritesIsExpectedInAnyOrderOfTheResponses() {
        writes.begin(secret: ref)
        writes.begin(secret: ref)
        writes.complete(secret: secret("10"))
        writes.complete(secret: secret("9"))
        #expect(known("8") == "10")
    }

    @Test func aListDuringAWriteEndsTheExpectationOfEarlierVersions() {
        writes.begin(secret: ref)
        writes.observeSecretList(upTo: "12")
        writes.observe(secret: secret("8"))
        writes.complete(secret: secret("9"))
        #expect(known(nil) == nil)
        writes.begin(secret: ref)
        writes.observeSecretList(upTo: "12")
        writes.complete(secret: secret("13"))
        #expect(known(nil) == "13")
    }

    /// An expectation ends only after the cache has its version.
    @Test func theExpectationIsReadBeforeTheCache() {
        writes.complete(secret: secret("9"))
        let newest = writes.newestSecret(
            ref,
            cached: {
                writes.observe(secret: secret("9"))
                return secret("5")
            }())
        #expect(newest?.resourceVersion == "9")
    }

    @Test func aStatusIsExpectedUntilTheWatchShowsIt() throws {
        func object(_ version: String, uid: String = "u") -> ObjectMeta {
            ObjectMeta(name: "s", namespace: "n", uid: uid, resourceVersion: version)
        }
        var status = WrappedSecretStatus()
        status.keyID = "written"
        var cached = WrappedSecretStatus()
        cached.keyID = "cached"
        writes.complete(status: status, on: object("10"))
        let written = try #require(writes.expectedStatus(ref))
        #expect(written.newest(for: object("9"), cached)?.keyID == "written")
        #expect(written.newest(for: object("10"), cached)?.keyID == "cached")
        #expect(written.newest(for: object("9", uid: "other"), cached)?.keyID == "cached")
        writes.observe(object: object("9"))
        #expect(writes.expectedStatus(ref) != nil)
        writes.observeObjectList(upTo: "9")
        #expect(writes.expectedStatus(ref) != nil)
        writes.observeObjectList(upTo: "10")
        #expect(writes.expectedStatus(ref) == nil)
        writes.complete(status: status, on: object("10"))
        writes.observe(object: object("11"))
        #expect(writes.expectedStatus(ref) == nil)
    }

    /// Otherwise each object whose event overtakes the response would keep a status in memory until it changes.
    @Test func aStatusIsNotExpectedIfTheWatchHasShownALaterVersion() {
        func object(_ name: String, _ version: String) -> ObjectMeta {
            ObjectMeta(name: name, namespace: "n", uid: "u", resourceVersion: version)
        }
        writes.observe(object: object("s", "10"))
        writes.complete(status: WrappedSecretStatus(), on: object("s", "10"))
        #expect(writes.expectedStatus(ref) == nil)
        writes.observe(object: object("other", "12"))
        writes.complete(status: WrappedSecretStatus(), on: object("s", "11"))
        #expect(writes.expectedStatus(ref) == nil)
        writes.complete(status: WrappedSecretStatus(), on: object("s", "13"))
        #expect(writes.expectedStatus(ref) != nil)
    }
}
