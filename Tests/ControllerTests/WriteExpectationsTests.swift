import KubeClient
import Resources
import Testing

@testable import Controller

/// Every order in which a write, its answer and what the watch shows can come.
@Suite struct WriteExpectationsTests {
    private let writes = WriteExpectations()
    private let ref = ObjectRef(namespace: "n", name: "s")

    private func secret(_ version: String) -> ObjectMeta {
        ObjectMeta(name: "s", namespace: "n", uid: "u", resourceVersion: version)
    }

    private func known(_ watched: String?) -> String? {
        writes.newestSecret(ref, watched: watched.map(secret))?.resourceVersion
    }

    @Test func whatWeWroteCountsUntilTheWatchShowsIt() {
        writes.begin(secret: ref)
        #expect(known("5") == "5" && known(nil) == nil)
        writes.complete(secret: secret("9"))
        #expect(known("5") == "9" && known(nil) == "9")
        writes.observe(secret: secret("7"))
        #expect(known("7") == "9", "that was before")
        writes.observe(secret: secret("9"))
        #expect(known("9") == "9" && known(nil) == nil)
    }

    @Test func versionsAreNumbers() {
        writes.complete(secret: secret("10"))
        #expect(known("9") == "10" && known("11") == "11")
        writes.observe(secret: secret("9"))
        #expect(known("9") == "10")
        writes.observe(secret: secret("100"))
        #expect(known(nil) == nil)
    }

    @Test func theEventCanComeBeforeTheAnswer() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("9"))
        writes.complete(secret: secret("9"))
        #expect(known(nil) == nil, "nothing to remember")
    }

    @Test func anEarlierEventMeanwhileDoesNotCount() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("8"))
        writes.complete(secret: secret("9"))
        #expect(known("8") == "9")
    }

    /// Written, deleted by somebody, and both events are here before our answer is.
    @Test func aDeletionCanComeBeforeTheAnswer() {
        writes.begin(secret: ref)
        writes.observe(secret: secret("9"))
        writes.observe(secret: secret("11"))
        writes.complete(secret: secret("9"))
        #expect(known(nil) == nil)
    }

    @Test func aDeletionAfterTheAnswerIsBelieved() {
        writes.complete(secret: secret("9"))
        writes.observe(secret: secret("11"))
        #expect(known(nil) == nil)
    }

    @Test func aWriteThatFailedIsForgotten() {
        writes.begin(secret: ref)
        writes.cancel(secret: ref)
        #expect(known("5") == "5" && known(nil) == nil)
    }

    @Test func aListShowsWhatWasWrittenBeforeIt() {
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "9")
        #expect(known(nil) == nil, "not in the list: gone")
    }

    @Test func aListDoesNotShowWhatWasWrittenAfterIt() {
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "8")
        #expect(known(nil) == "9", "its event is still to come")
    }

    /// etcd was restored to an older state: its versions begin anew, and what we wrote never was.
    @Test func aListFromThePastShowsThatNothingWasWritten() {
        writes.observe(secret: secret("8"))
        writes.complete(secret: secret("9"))
        writes.observeSecretList(upTo: "5")
        #expect(known("4") == "4" && known(nil) == nil)
        writes.complete(secret: secret("6"))
        #expect(known("4") == "6", "the memory serves in the new time, too")
    }

    @Test func aListCanOvertakeAWriteInFlight() {
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

    /// The store is read after the memory, so that what leaves the memory is already in the store.
    @Test func readsItsMemoryBeforeTheStore() {
        writes.complete(secret: secret("9"))
        let seen = writes.newestSecret(
            ref,
            watched: {
                writes.observe(secret: secret("9"))
                return secret("5")
            }())
        #expect(seen?.resourceVersion == "9")
    }

    @Test func statusesLikewise() throws {
        func object(_ version: String, uid: String = "u") -> ObjectMeta {
            ObjectMeta(name: "s", namespace: "n", uid: uid, resourceVersion: version)
        }
        var ours = WrappedSecretStatus()
        ours.keyID = "ours"
        var theirs = WrappedSecretStatus()
        theirs.keyID = "theirs"
        writes.complete(status: ours, on: object("10"))
        let written = try #require(writes.expectedStatus(ref))
        #expect(written.newest(for: object("9"), theirs)?.keyID == "ours")
        #expect(written.newest(for: object("10"), theirs)?.keyID == "theirs")
        #expect(written.newest(for: object("9", uid: "other"), theirs)?.keyID == "theirs")
        writes.observe(object: object("9"))
        #expect(writes.expectedStatus(ref) != nil)
        writes.observeObjectList(upTo: "9")
        #expect(writes.expectedStatus(ref) != nil)
        writes.observeObjectList(upTo: "10")
        #expect(writes.expectedStatus(ref) == nil)
        writes.complete(status: ours, on: object("10"))
        writes.observe(object: object("11"))
        #expect(writes.expectedStatus(ref) == nil)
    }
}
