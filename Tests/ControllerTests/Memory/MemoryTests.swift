import Envelope
import KubeClient
import Resources
import System
import TestSupport
import Testing

@testable import Controller

@Suite struct ReconcileMemoryLimiterTests {
    private let mebibyte = 1 << 20

    private func ref(_ name: String, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: name)
    }

    @Test func grantsSmallReservationsAlways() {
        let limiter = ReconcileMemoryLimiter(limit: mebibyte) { _ in }
        #expect(limiter.reserve(mebibyte, for: ref("large")))
        #expect(limiter.reserve(ReconcileMemoryLimiter.uncountedBytes, for: ref("small")))
    }

    @Test func anObjectLargerThanTheLimitIsAlone() {
        let limiter = ReconcileMemoryLimiter(limit: mebibyte) { _ in }
        #expect(limiter.reserve(5 * mebibyte, for: ref("huge")))
        #expect(!limiter.reserve(mebibyte, for: ref("other")))
    }

    @Test func wakesAWaitingObjectWithItsBytesReserved() {
        let woken = Locked<[ObjectRef]>([])
        let limiter = ReconcileMemoryLimiter(limit: 2 * mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(limiter.reserve(2 * mebibyte, for: ref("first")))
        #expect(!limiter.reserve(mebibyte, for: ref("second")))
        #expect(!limiter.reserve(mebibyte, for: ref("third")))
        limiter.release(ref("first"))
        #expect(woken.withLock { $0 } == [ref("second"), ref("third")])
        #expect(!limiter.reserve(mebibyte, for: ref("fourth")))
        #expect(limiter.reserve(mebibyte, for: ref("second")))
    }

    /// Otherwise large objects would starve.
    @Test func aSmallObjectWaitsBehindALargeOne() {
        let limiter = ReconcileMemoryLimiter(limit: 3 * mebibyte) { _ in }
        #expect(limiter.reserve(2 * mebibyte, for: ref("first")))
        #expect(!limiter.reserve(2 * mebibyte, for: ref("second")))
        #expect(!limiter.reserve(mebibyte, for: ref("third")))
    }

    @Test func namespacesTakeTurns() {
        let woken = Locked<[ObjectRef]>([])
        let limiter = ReconcileMemoryLimiter(limit: mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(limiter.reserve(mebibyte, for: ref("0")))
        for index in 1...50 { #expect(!limiter.reserve(mebibyte, for: ref("\(index)"))) }
        #expect(!limiter.reserve(mebibyte, for: ref("victim", in: "b")))
        limiter.release(ref("0"))
        limiter.release(ref("1"))
        #expect(woken.withLock { $0 } == [ref("1"), ref("victim", in: "b")])
    }

    // MARK: pools

    private func pool(_ name: String) -> ReconcileMemoryLimiter.Pool { .clusterKeyProvider(name) }

    /// A KMS that does not answer holds the bytes of the reconciles that wait for it.
    @Test func aClusterKeyProviderTakesAQuarter() {
        let limiter = ReconcileMemoryLimiter { _ in }
        #expect(limiter.reserve(6 * mebibyte, for: ref("1"), in: pool("hanging")))
        #expect(!limiter.reserve(6 * mebibyte, for: ref("2"), in: pool("hanging")))
        #expect(!limiter.reserve(mebibyte, for: ref("3"), in: pool("hanging")), "it waits behind the second")
        #expect(limiter.reserve(8 * mebibyte, for: ref("4", in: "b"), in: pool("other")))
        #expect(limiter.reserve(18 * mebibyte, for: ref("5", in: "c")), "the controller's own key")
    }

    @Test func allClusterKeyProvidersLeaveRoomForALargeObject() {
        let limiter = ReconcileMemoryLimiter { _ in }
        for (index, size) in [8, 8, 6].enumerated() {
            #expect(limiter.reserve(size * mebibyte, for: ref("\(index)"), in: pool("\(index)")))
        }
        #expect(!limiter.reserve(mebibyte, for: ref("3"), in: pool("3")))
        #expect(limiter.reserve(Reconciler.largeObject, for: ref("own")))
    }

    @Test func anObjectLargerThanTheShareOfItsPoolIsAloneThere() {
        let limiter = ReconcileMemoryLimiter { _ in }
        #expect(limiter.reserve(10 * mebibyte, for: ref("large"), in: pool("a")))
        #expect(!limiter.reserve(mebibyte, for: ref("other"), in: pool("a")))
        #expect(limiter.reserve(3 * mebibyte, for: ref("b"), in: pool("b")))
    }

    /// Objects behind it would take what others release, for ever.
    @Test func anObjectThatWaitsForTheShareOfAllIsNextThere() {
        let woken = Locked<[ObjectRef]>([])
        let limiter = ReconcileMemoryLimiter { ref in woken.withLock { $0.append(ref) } }
        for (name, count) in [("a", 8), ("b", 8), ("c", 6)] {
            for index in 0..<count {
                #expect(limiter.reserve(mebibyte, for: ref("\(index)", in: name), in: pool(name)))
            }
        }
        #expect(!limiter.reserve(2 * mebibyte, for: ref("large"), in: pool("good")))
        limiter.release(ref("0", in: "a"))
        #expect(!limiter.reserve(mebibyte, for: ref("8", in: "a"), in: pool("a")))
        #expect(!limiter.reserve(mebibyte, for: ref("small"), in: pool("other")))
        #expect(limiter.reserve(4 * mebibyte, for: ref("own")), "it has room of its own")
        limiter.release(ref("0", in: "b"))
        #expect(woken.withLock { $0 } == [ref("large")])
    }

    @Test func anObjectMovesToThePoolOfItsNewProvider() {
        let woken = Locked<[ObjectRef]>([])
        let limiter = ReconcileMemoryLimiter(limit: 16 * mebibyte) { ref in woken.withLock { $0.append(ref) }
        }
        #expect(limiter.reserve(4 * mebibyte, for: ref("1"), in: pool("hanging")))
        #expect(!limiter.reserve(2 * mebibyte, for: ref("2"), in: pool("hanging")))
        #expect(limiter.reserve(2 * mebibyte, for: ref("2"), in: pool("other")))
        limiter.release(ref("1"))
        limiter.release(ref("2"))
        #expect(woken.withLock { $0 } == [])
    }

    /// An event can requeue an object that already waits for memory.
    @Test func queuesAnObjectOnce() {
        let woken = Locked<[ObjectRef]>([])
        let limiter = ReconcileMemoryLimiter(limit: mebibyte) { ref in woken.withLock { $0.append(ref) } }
        #expect(limiter.reserve(mebibyte, for: ref("first")))
        #expect(!limiter.reserve(mebibyte, for: ref("second")))
        #expect(!limiter.reserve(mebibyte, for: ref("second")))
        limiter.release(ref("first"))
        limiter.release(ref("second"))
        #expect(woken.withLock { $0 } == [ref("second")])
        #expect(limiter.reserve(mebibyte, for: ref("third")))
    }
}

@Suite struct PendingCiphertextsTests {
    private func object(_ name: String, bytes: Int) -> WrappedSecret {
        var object = unsealedWrappedSecret(name)
        object.spec.envelope.data = ["k": String(repeating: "A", count: bytes - 1)]
        return object
    }

    @Test func keepsTheCiphertextsThatFit() {
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

    @Test func removesOnlyTheCiphertextsWithTheDigest() {
        let pending = PendingCiphertexts(limit: 100)
        let ref = ObjectRef(namespace: "payments", name: "a")
        pending.insert(object("a", bytes: 60), digest: [2])
        pending.remove(ref, digest: [1])
        #expect(pending.byteCount == 60)
        pending.remove(ref, digest: [2])
        #expect(pending.byteCount == 0)
    }
}

@Suite struct PlaintextRetryCacheTests {
    private let ref = ObjectRef(namespace: "payments", name: "db")

    private func opened(_ count: Int) async throws -> OpenedEnvelope {
        let keys = try FakeKeyManager()
        let object = try await makeWrappedSecret(by: keys, ["k": String(repeating: "x", count: count)])
        return try await object.sealedEnvelope().open(with: keys.keyRing)
    }

    @Test func returnsTheEnvelopeOfTheSameCiphertexts() async throws {
        let cache = PlaintextRetryCache(limit: 100)
        cache.insert(try await opened(50), digest: [1], for: ref)
        #expect(cache.envelope(of: ref, digest: [1]) != nil)
        #expect(cache.envelope(of: ref, digest: [2]) == nil)
        #expect(
            cache.envelope(of: ref, digest: [1]) == nil,
            "a request for other ciphertexts removes the envelope")
    }

    @Test func doesNotKeepAnEnvelopeBeyondTheLimit() async throws {
        let cache = PlaintextRetryCache(limit: 100)
        cache.insert(try await opened(101), digest: [1], for: ref)
        #expect(cache.envelope(of: ref, digest: [1]) == nil)
    }

    @Test func expiresUnlessPinned() async throws {
        let cache = PlaintextRetryCache(limit: 100)
        let later = ContinuousClock.now + .seconds(601)
        cache.insert(try await opened(50), digest: [1], for: ref)
        #expect(cache.envelope(of: ref, digest: [1], now: later) == nil)
        cache.pin(try await opened(100), digest: [1], for: ref, deleted: "s1")
        #expect(cache.envelope(of: ref, digest: [1], now: later) != nil)
        cache.unpin(ref, secret("s2"))
        #expect(cache.envelope(of: ref, digest: [1], now: later) == nil)
    }

    /// An expired value leaves its room to the next one, also if it was pinned before.
    @Test(arguments: [false, true]) func forgetsExpiredValues(wasPinned: Bool) async throws {
        let cache = PlaintextRetryCache(limit: 100)
        if wasPinned {
            cache.pin(try await opened(80), digest: [1], for: ref, deleted: "s1")
            cache.unpin(ref, secret("s2"))
        } else {
            cache.insert(try await opened(80), digest: [1], for: ref)
        }
        let other = ObjectRef(namespace: "payments", name: "other")
        let envelope = try await opened(80)
        cache.insert(envelope, digest: [1], for: other, now: .now + .seconds(500))
        #expect(cache.envelope(of: other, digest: [1]) == nil, "there is no room yet")
        let later = ContinuousClock.now + .seconds(601)
        cache.insert(envelope, digest: [1], for: other, now: later)
        #expect(cache.envelope(of: other, digest: [1], now: later) != nil)
    }

    private func secret(_ uid: String, isTerminating: Bool = false) -> ObjectMeta {
        var secret = ObjectMeta(name: "db", namespace: "payments", uid: uid)
        if isTerminating { secret.deletionTimestamp = "2026-01-01T00:00:00Z" }
        return secret
    }

    @Test(arguments: [("s1", false, true), ("s1", true, false), ("s2", false, false)])
    func aStaleCacheDoesNotUnpin(uid: String, isTerminating: Bool, isPinned: Bool) async throws {
        let cache = PlaintextRetryCache(limit: 100)
        cache.pin(try await opened(50), digest: [1], for: ref, deleted: "s1")
        cache.unpin(ref, secret(uid, isTerminating: isTerminating))
        let later = cache.envelope(of: ref, digest: [1], now: .now + .seconds(601))
        #expect((later != nil) == isPinned)
    }

    /// A tenant whose Secrets cannot be deleted must not accumulate plaintext in the controller.
    @Test func pinsABoundedNumberOfBytes() async throws {
        let cache = PlaintextRetryCache()
        let envelope = try await opened(1 << 20)
        let refs = (0..<18).map { ObjectRef(namespace: "ns-\($0 / 2)", name: "\($0)") }
        for ref in refs.prefix(16) {
            #expect(cache.hasRoomToPin(envelope, for: ref))
            cache.pin(envelope, digest: [1], for: ref, deleted: "s1")
        }
        #expect(!cache.hasRoomToPin(envelope, for: refs[16]))
        cache.unpin(refs[3], secret("s2"))
        #expect(cache.hasRoomToPin(envelope, for: refs[16]))
        cache.remove(refs[4])
        cache.pin(envelope, digest: [1], for: refs[16], deleted: "s1")
        #expect(cache.hasRoomToPin(envelope, for: refs[17]))
    }

    /// A tenant whose new Secrets are refused, as by a quota, must not stop the recreations of the others.
    @Test func pinsAFewBytesOfEachNamespace() async throws {
        let cache = PlaintextRetryCache()
        let envelope = try await opened(1 << 20)
        for index in 0..<2 {
            let ref = ObjectRef(namespace: "a", name: "\(index)")
            #expect(cache.hasRoomToPin(envelope, for: ref))
            cache.pin(envelope, digest: [1], for: ref, deleted: "s1")
        }
        #expect(!cache.hasRoomToPin(envelope, for: ObjectRef(namespace: "a", name: "2")))
        #expect(cache.hasRoomToPin(envelope, for: ObjectRef(namespace: "b", name: "0")))
    }

    /// The values of others are kept for their retries although many are pinned.
    @Test func pinnedValuesTakeNoRoomFromOthers() async throws {
        let cache = PlaintextRetryCache(limit: 100)
        cache.pin(try await opened(150), digest: [1], for: ref, deleted: "s1")
        let other = ObjectRef(namespace: "other", name: "db")
        cache.insert(try await opened(80), digest: [1], for: other)
        #expect(cache.envelope(of: other, digest: [1]) != nil)
        cache.unpin(ref, secret("s2"))
        #expect(cache.envelope(of: ref, digest: [1]) == nil, "it is larger than what is left")
        #expect(cache.envelope(of: other, digest: [1]) != nil)
    }
}

@Suite struct BlockedObjectsTests {
    private func ref(_ index: Int, in namespace: String = "a") -> ObjectRef {
        ObjectRef(namespace: namespace, name: "\(index)")
    }

    @Test func pollsAFewObjectsAtTheNormalInterval() {
        let blocked = BlockedObjects()
        for index in 0..<100 {
            #expect(blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) == .seconds(20))
        }
    }

    @Test func pollsManyObjectsOfOneNamespaceLessOften() {
        let blocked = BlockedObjects()
        for index in 0..<3000 { _ = blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) }
        #expect(blocked.delayBeforeNextPoll(ref(0), interval: .seconds(20)) > .seconds(200))
        #expect(blocked.delayBeforeNextPoll(ref(0, in: "b"), interval: .seconds(20)) == .seconds(20))
    }

    @Test func aServedObjectMakesRoom() {
        let blocked = BlockedObjects()
        for index in 0..<3000 { _ = blocked.delayBeforeNextPoll(ref(index), interval: .seconds(20)) }
        for index in 0..<2950 { blocked.remove(ref(index)) }
        #expect(blocked.delayBeforeNextPoll(ref(2999), interval: .seconds(20)) == .seconds(20))
    }
}
