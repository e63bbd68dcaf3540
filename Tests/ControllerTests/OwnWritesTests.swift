import KubeClient
import Resources
import Testing

@testable import Controller

/// Every order in which a write, its answer and what the watch shows can come.
@Suite struct OwnWritesTests {
    private let writes = OwnWrites()
    private let ref = ObjectRef(namespace: "n", name: "s")

    private func secret(_ version: String) -> ObjectMeta {
        ObjectMeta(name: "s", namespace: "n", uid: "u", resourceVersion: version)
    }

    private func known(_ watched: String?) -> String? {
        writes.secret(ref, watched: watched.map(secret))?.resourceVersion
    }

    @Test func whatWeWroteCountsUntilTheWatchShowsIt() {
        writes.willWrite(secret: ref)
        #expect(known("5") == "5" && known(nil) == nil)
        writes.wrote(secret: secret("9"))
        #expect(known("5") == "9" && known(nil) == "9")
        writes.saw(secret: secret("7"))
        #expect(known("7") == "9", "that was before")
        writes.saw(secret: secret("9"))
        #expect(known("9") == "9" && known(nil) == nil)
    }

    @Test func versionsAreNumbers() {
        writes.wrote(secret: secret("10"))
        #expect(known("9") == "10" && known("11") == "11")
        writes.saw(secret: secret("9"))
        #expect(known("9") == "10")
        writes.saw(secret: secret("100"))
        #expect(known(nil) == nil)
    }

    @Test func theEventCanComeBeforeTheAnswer() {
        writes.willWrite(secret: ref)
        writes.saw(secret: secret("9"))
        writes.wrote(secret: secret("9"))
        #expect(known(nil) == nil, "nothing to remember")
    }

    @Test func anEarlierEventMeanwhileDoesNotCount() {
        writes.willWrite(secret: ref)
        writes.saw(secret: secret("8"))
        writes.wrote(secret: secret("9"))
        #expect(known("8") == "9")
    }

    /// Written, deleted by somebody, and both events are here before our answer is.
    @Test func aDeletionCanComeBeforeTheAnswer() {
        writes.willWrite(secret: ref)
        writes.saw(secret: secret("9"))
        writes.saw(secret: secret("11"))
        writes.wrote(secret: secret("9"))
        #expect(known(nil) == nil)
    }

    @Test func aDeletionAfterTheAnswerIsBelieved() {
        writes.wrote(secret: secret("9"))
        writes.saw(secret: secret("11"))
        #expect(known(nil) == nil)
    }

    @Test func aWriteThatFailedIsForgotten() {
        writes.willWrite(secret: ref)
        writes.forget(secret: ref)
        #expect(known("5") == "5" && known(nil) == nil)
    }

    @Test func aListShowsWhatWasWrittenBeforeIt() {
        writes.wrote(secret: secret("9"))
        writes.sawSecrets(upTo: "9")
        #expect(known(nil) == nil, "not in the list: gone")
    }

    @Test func aListDoesNotShowWhatWasWrittenAfterIt() {
        writes.wrote(secret: secret("9"))
        writes.sawSecrets(upTo: "8")
        #expect(known(nil) == "9", "its event is still to come")
    }

    /// etcd was restored to an older state: its versions begin anew, and what we wrote never was.
    @Test func aListFromThePastShowsThatNothingWasWritten() {
        writes.saw(secret: secret("8"))
        writes.wrote(secret: secret("9"))
        writes.sawSecrets(upTo: "5")
        #expect(known("4") == "4" && known(nil) == nil)
        writes.wrote(secret: secret("6"))
        #expect(known("4") == "6", "the memory serves in the new time, too")
    }

    @Test func aListCanOvertakeAWriteInFlight() {
        writes.willWrite(secret: ref)
        writes.sawSecrets(upTo: "12")
        writes.saw(secret: secret("8"))
        writes.wrote(secret: secret("9"))
        #expect(known(nil) == nil)
        writes.willWrite(secret: ref)
        writes.sawSecrets(upTo: "12")
        writes.wrote(secret: secret("13"))
        #expect(known(nil) == "13")
    }

    /// The store is read after the memory, so that what leaves the memory is already in the store.
    @Test func readsItsMemoryBeforeTheStore() {
        writes.wrote(secret: secret("9"))
        let seen = writes.secret(
            ref,
            watched: {
                writes.saw(secret: secret("9"))
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
        writes.wrote(status: ours, on: object("10"))
        let written = try #require(writes.writtenStatus(ref))
        #expect(written.newest(for: object("9"), theirs)?.keyID == "ours")
        #expect(written.newest(for: object("10"), theirs)?.keyID == "theirs")
        #expect(written.newest(for: object("9", uid: "other"), theirs)?.keyID == "theirs")
        writes.saw(object: object("9"))
        #expect(writes.writtenStatus(ref) != nil)
        writes.sawObjects(upTo: "9")
        #expect(writes.writtenStatus(ref) != nil)
        writes.sawObjects(upTo: "10")
        #expect(writes.writtenStatus(ref) == nil)
        writes.wrote(status: ours, on: object("10"))
        writes.saw(object: object("11"))
        #expect(writes.writtenStatus(ref) == nil)
    }
}
