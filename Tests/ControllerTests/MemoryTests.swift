import Envelope
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

@Suite struct MemoryBudgetTests {
    private let mebibyte = 1 << 20

    private func ref(_ name: String, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: name)
    }

    @Test func smallReservationsAreNeverRefused() {
        let budget = ReconcileMemoryLimiter(limit: mebibyte) { _ in }
        #expect(budget.reserve(mebibyte, for: ref("large")))
        #expect(budget.reserve(ReconcileMemoryLimiter.uncountedBytes, for: ref("small")))
    }

    @Test func anObjectLargerThanTheLimitGetsItAlone() {
        let budget = ReconcileMemoryLimiter(limit: mebibyte) { _ in }
        #expect(budget.reserve(5 * mebibyte, for: ref("huge")))
        #expect(!budget.reserve(mebibyte, for: ref("other")))
    }

    @Test func whoWaitsIsWokenWithItsBytesReserved() {
        let woken = Locked<[ObjectRef]>([])
        let budget = ReconcileMemoryLimiter(limit: 2 * mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(budget.reserve(2 * mebibyte, for: ref("first")))
        #expect(!budget.reserve(mebibyte, for: ref("second")))
        #expect(!budget.reserve(mebibyte, for: ref("third")))
        budget.release(ref("first"))
        #expect(woken.withLock { $0 } == [ref("second"), ref("third")])
        #expect(!budget.reserve(mebibyte, for: ref("fourth")))
        #expect(budget.reserve(mebibyte, for: ref("second")))
    }

    /// Or those that need much would wait for ever.
    @Test func whatWouldFitWaitsBehindWhatDoesNot() {
        let budget = ReconcileMemoryLimiter(limit: 3 * mebibyte) { _ in }
        #expect(budget.reserve(2 * mebibyte, for: ref("first")))
        #expect(!budget.reserve(2 * mebibyte, for: ref("second")))
        #expect(!budget.reserve(mebibyte, for: ref("third")))
    }

    @Test func namespacesTakeTurns() {
        let woken = Locked<[ObjectRef]>([])
        let budget = ReconcileMemoryLimiter(limit: mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(budget.reserve(mebibyte, for: ref("0")))
        for index in 1...50 { #expect(!budget.reserve(mebibyte, for: ref("\(index)"))) }
        #expect(!budget.reserve(mebibyte, for: ref("victim", in: "b")))
        budget.release(ref("0"))
        budget.release(ref("1"))
        #expect(woken.withLock { $0 } == [ref("1"), ref("victim", in: "b")])
    }

    /// An event queues an object again that waits for memory already.
    @Test func waitingTwiceIsWaitingOnce() {
        let woken = Locked<[ObjectRef]>([])
        let budget = ReconcileMemoryLimiter(limit: mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(budget.reserve(mebibyte, for: ref("first")))
        #expect(!budget.reserve(mebibyte, for: ref("second")))
        #expect(!budget.reserve(mebibyte, for: ref("second")))
        budget.release(ref("first"))
        budget.release(ref("second"))
        #expect(woken.withLock { $0 } == [ref("second")])
        #expect(budget.reserve(mebibyte, for: ref("third")))
    }
}

@Suite struct PendingCiphertextsTests {
    private func object(_ name: String, bytes: Int) -> WrappedSecret {
        var object = unsealedWrappedSecret(name)
        object.spec.envelope.data = ["k": String(repeating: "A", count: bytes - 1)]
        return object
    }

    @Test func holdsWhatFitsAndLeavesOutTheRest() {
        let pending = PendingCiphertexts(limit: 100)
        pending.insert(object("a", bytes: 60), digest: [1])
        pending.insert(object("b", bytes: 60), digest: [2])
        #expect(pending.byteCount == 60)
        #expect(pending.data(of: ObjectRef(namespace: "payments", name: "a"), digest: [1]) != nil)
        #expect(pending.data(of: ObjectRef(namespace: "payments", name: "b"), digest: [2]) == nil)
    }

    @Test func replacesTheCiphertextsOfAnObject() {
        let pending = PendingCiphertexts(limit: 100)
        pending.insert(object("a", bytes: 60), digest: [1])
        pending.insert(object("a", bytes: 80), digest: [2])
        #expect(pending.byteCount == 80)
        #expect(pending.data(of: ObjectRef(namespace: "payments", name: "a"), digest: [1]) == nil)
    }

    @Test func releasesOnlyTheCiphertextsThatWereSynced() {
        let pending = PendingCiphertexts(limit: 100)
        let ref = ObjectRef(namespace: "payments", name: "a")
        pending.insert(object("a", bytes: 60), digest: [2])
        pending.remove(ref, digest: [1])
        #expect(pending.byteCount == 60)
        pending.remove(ref, digest: [2])
        #expect(pending.byteCount == 0)
    }
}

@Suite struct HeldEnvelopesTests {
    private let ref = ObjectRef(namespace: "payments", name: "db")

    private func opened(_ count: Int) async throws -> OpenedEnvelope {
        let keys = try FakeKeyManager()
        let object = try await makeWrappedSecret(by: keys, ["k": String(repeating: "x", count: count)])
        return try await object.sealedEnvelope().open(with: keys.keyRing)
    }

    @Test func returnsWhatWasOpenedFromTheSameCiphertexts() async throws {
        let held = PlaintextRetryCache(limit: 100)
        held.insert(try await opened(50), digest: [1], for: ref)
        #expect(held.envelope(of: ref, digest: [1]) != nil)
        #expect(held.envelope(of: ref, digest: [2]) == nil)
        #expect(held.envelope(of: ref, digest: [1]) == nil, "other ciphertexts are a change of the object")
    }

    @Test func doesNotHoldWhatIsTooLarge() async throws {
        let held = PlaintextRetryCache(limit: 100)
        held.insert(try await opened(101), digest: [1], for: ref)
        #expect(held.envelope(of: ref, digest: [1]) == nil)
    }

    @Test func forgetsAfterAWhileUnlessPinned() async throws {
        let held = PlaintextRetryCache(limit: 100)
        let later = ContinuousClock.now + .seconds(601)
        held.insert(try await opened(50), digest: [1], for: ref)
        #expect(held.envelope(of: ref, digest: [1], now: later) == nil)
        held.pin(try await opened(150), digest: [1], for: ref, deleted: "s1")
        #expect(held.envelope(of: ref, digest: [1], now: later) != nil)
        held.unpin(ref, secret("s2"))
        #expect(held.envelope(of: ref, digest: [1], now: later) == nil)
    }

    private func secret(_ uid: String, isTerminating: Bool = false) -> ObjectMeta {
        var secret = ObjectMeta(name: "db", namespace: "payments", uid: uid)
        if isTerminating { secret.deletionTimestamp = "2026-01-01T00:00:00Z" }
        return secret
    }

    @Test(arguments: [("s1", false, true), ("s1", true, false), ("s2", false, false)])
    func aCacheThatIsBehindDoesNotUnpin(uid: String, isTerminating: Bool, isPinned: Bool) async throws {
        let held = PlaintextRetryCache(limit: 100)
        held.pin(try await opened(50), digest: [1], for: ref, deleted: "s1")
        held.unpin(ref, secret(uid, isTerminating: isTerminating))
        let later = held.envelope(of: ref, digest: [1], now: .now + .seconds(601))
        #expect((later != nil) == isPinned)
    }

    /// A tenant whose Secrets cannot be deleted must not collect plaintext in the controller.
    @Test func pinsABoundedNumberOfBytes() async throws {
        let held = PlaintextRetryCache()
        let envelope = try await opened(1 << 20)
        for index in 0..<16 {
            #expect(held.hasRoomToPin(envelope))
            held.pin(
                envelope, digest: [1], for: ObjectRef(namespace: "a", name: "\(index)"), deleted: "s1")
        }
        #expect(!held.hasRoomToPin(envelope))
        held.unpin(ObjectRef(namespace: "a", name: "3"), secret("s2"))
        #expect(held.hasRoomToPin(envelope))
    }
}

@Suite struct BlockedObjectsTests {
    private func ref(_ index: Int, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: "\(index)")
    }

    @Test func fewAreLookedAtInTheOrdinaryInterval() {
        let blocked = BlockedObjects()
        for index in 0..<100 {
            #expect(blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) == .seconds(20))
        }
    }

    @Test func manyOfOneNamespaceWaitLongerAndOthersDoNot() {
        let blocked = BlockedObjects()
        for index in 0..<3000 { _ = blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) }
        #expect(blocked.delayBeforeNextPoll(ref(0), interval: .seconds(20)) > .seconds(200))
        #expect(blocked.delayBeforeNextPoll(ref(0, in: "b"), interval: .seconds(20)) == .seconds(20))
    }

    @Test func whoIsServedMakesRoom() {
        let blocked = BlockedObjects()
        for index in 0..<3000 { _ = blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) }
        for index in 0..<2950 { blocked.remove(ref(index)) }
        #expect(blocked.delayBeforeNextPoll(ref(2999), interval: .seconds(20)) == .seconds(20))
    }
}
