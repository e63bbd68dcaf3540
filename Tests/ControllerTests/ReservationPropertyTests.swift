import KubeClient
import System
import TestSupport
import Testing

@testable import Controller

/// Random reservations of memory and of places at providers: the limits hold, and no object waits without a reason or for ever.
@Suite struct ReservationPropertyTests {
    @Test func memoryIsReservedWithinItsLimitAndInTurns() async {
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var model = MemoryModel()
            for step in 0..<60 {
                model.act(&random)
                if let problem = model.problem { return "step \(step): \(problem)" }
            }
            model.drain()
            return model.problem
        }
        #expect(violation == nil)
    }

    /// The objects of three ClusterKeyProviders whose KMS does not answer are requeued when their requests have timed out.
    @Test(arguments: [1, 2, 3]) func aKMSThatDoesNotAnswerDelaysNoObjectOfAnotherOne(hanging: Int) async {
        let violation = await PropertyRun.violation(seeds: 40) { random in
            var model = MemoryModel()
            let releases = model.waitingTime(beside: hanging, &random)
            return model.problem ?? releases.map { "not served after \($0) releases" }
        }
        #expect(violation == nil)
    }

    @Test func placesAtProvidersAreReservedWithinTheirLimits() async {
        let violation = await PropertyRun.violation(seeds: 60) { random in
            var model = ProviderModel(workers: random.number(1..<20))
            for step in 0..<60 {
                model.act(&random)
                if let problem = model.problem { return "step \(step): \(problem)" }
            }
            model.drain()
            return model.problem
        }
        #expect(violation == nil)
    }
}

private func randomRef(_ random: inout SeededGenerator) -> ObjectRef {
    ObjectRef(namespace: "ns-\(random.number(0..<3))", name: "\(random.number(0..<5))")
}

/// Objects that hold memory or wait for it: those of four ClusterKeyProviders, and those with the controller's own key.
private struct MemoryModel {
    private static let mebibyte = 1 << 20
    private static let limit = 32 * mebibyte
    private static let share = limit / 4
    private static let shareOfAll = limit - Reconciler.largeObject

    private struct Request {
        let bytes: Int
        let pool: ReconcileMemoryLimiter.Pool
    }

    private let woken: Locked<[ObjectRef]>
    private let limiter: ReconcileMemoryLimiter
    private var held: [ObjectRef: Request] = [:]
    private var waiting: [ObjectRef: Request] = [:]
    /// For a namespace that waits, how often each other one was served since then.
    private var passed: [String: [String: Int]] = [:]
    private(set) var problem: String?

    init() {
        let woken = Locked<[ObjectRef]>([])
        limiter = ReconcileMemoryLimiter(limit: Self.limit) { ref in woken.withLock { $0.append(ref) } }
        self.woken = woken
    }

    mutating func act(_ random: inout SeededGenerator) {
        let ref = randomRef(&random)
        switch random.number(0..<4) {
        case 0, 1:
            let pool: ReconcileMemoryLimiter.Pool =
                random.chance(0.4) ? .own : .clusterKeyProvider("\(random.number(0..<4))")
            let unit = pool == .own ? 4 : random.chance(0.2) ? 2 : 1
            reserve(Request(bytes: random.number(1..<6) * unit * Self.mebibyte, pool: pool), for: ref)
        case 2:
            let isGranted = limiter.reserve(ReconcileMemoryLimiter.uncountedBytes, for: ref)
            if !isGranted { problem = "\(ref) waits for a few bytes" }
        default: release(ref)
        }
    }

    /// Releases what is held until no object waits.
    mutating func drain() {
        for _ in 0..<100 where problem == nil {
            guard let ref = held.keys.min(by: { "\($0)" < "\($1)" }) else { break }
            release(ref)
        }
        if !waiting.isEmpty { problem = "\(waiting.keys) wait for ever" }
    }

    private mutating func reserve(_ wanted: Request, for ref: ObjectRef) {
        // An object that grows does not wait twice, and may exceed the limit; here, none grows or changes its pool.
        let known = held[ref] ?? waiting[ref]
        let request = known.map { Request(bytes: min(wanted.bytes, $0.bytes), pool: $0.pool) } ?? wanted
        let isFree = held[ref] == nil && !waiting.values.contains { $0.pool == request.pool }
        let fits = held[ref] != nil || isFree && hasPlace(request) && hasPlaceInShare(request)
        // It waits behind the first object of another pool, which may be any of them, if that waits for memory of all.
        let mayWait =
            held[ref] == nil
            && waiting.values.contains {
                hasPlaceInShareOfPool($0) && (request.pool != .own || hasPlaceInShare($0))
            }
        let isGranted = limiter.reserve(request.bytes, for: ref, in: request.pool)
        if isGranted != fits, !(fits && mayWait) { problem = "\(ref): \(request) over \(held)" }
        if isGranted {
            held[ref] = request
        } else {
            waiting[ref] = request
        }
        takeWoken()
        check()
    }

    private var used: Int { held.values.reduce(0) { $0 + $1.bytes } }

    private func used(by pool: ReconcileMemoryLimiter.Pool) -> Int {
        held.values.reduce(0) { $0 + ($1.pool == pool ? $1.bytes : 0) }
    }

    private func hasPlace(_ request: Request) -> Bool { used == 0 || used + request.bytes <= Self.limit }

    private func hasPlaceInShareOfPool(_ request: Request) -> Bool {
        let used = used(by: request.pool)
        return request.pool == .own || used == 0 || used + request.bytes <= Self.share
    }

    private func hasPlaceInShare(_ request: Request) -> Bool {
        let usedByAll = used - used(by: .own)
        return request.pool == .own
            || hasPlaceInShareOfPool(request)
                && (usedByAll == 0 || usedByAll + request.bytes <= Self.shareOfAll)
    }

    private mutating func release(_ ref: ObjectRef) {
        held[ref] = nil
        limiter.release(ref)
        takeWoken()
        check()
    }

    private mutating func takeWoken() {
        let woken = woken.withLock { refs in
            defer { refs = [] }
            return refs
        }
        for ref in woken {
            guard let request = waiting.removeValue(forKey: ref) else {
                problem = "\(ref) is woken and did not wait"
                return
            }
            held[ref] = request
            if request.pool == .own { serve(ref.namespace) }
        }
    }

    /// Namespaces that wait for the controller's own key take turns. One of the other namespace may have been next already when
    /// a namespace began to wait.
    private mutating func serve(_ namespace: String) {
        passed[namespace] = nil
        for other in waitingNamespaces where other != namespace {
            passed[other, default: [:]][namespace, default: 0] += 1
            if passed[other]?[namespace] ?? 0 > 2 { problem = "\(namespace) is served again before \(other)" }
        }
    }

    private var waitingNamespaces: Set<String> {
        Set(waiting.lazy.filter { $0.value.pool == .own }.map(\.key.namespace))
    }

    private mutating func check() {
        let namespaces = waitingNamespaces
        passed = passed.filter { namespaces.contains($0.key) }
        if used > Self.limit, held.count > 1 { problem = "\(used) bytes are reserved" }
        let ofProviders = held.values.filter { $0.pool != .own }
        if used - used(by: .own) > Self.shareOfAll, ofProviders.count > 1 {
            problem = "\(used - used(by: .own)) bytes are reserved for all ClusterKeyProviders"
        }
        for pool in Set(ofProviders.map(\.pool)) where used(by: pool) > Self.share {
            guard ofProviders.count(where: { $0.pool == pool }) > 1 else { continue }
            problem = "\(used(by: pool)) bytes are reserved for one ClusterKeyProvider"
        }
        // The first of a pool may be any of them.
        let own = waiting.values.filter { $0.pool == .own }
        let others = waiting.values.filter { $0.pool != .own }
        if !own.isEmpty, own.allSatisfy(hasPlace), !others.contains(where: hasPlaceInShare) {
            problem = "objects with the controller's own key wait, and there is room for each of them"
        }
        let mayBeNext = others.filter(hasPlaceInShareOfPool)
        for pool in Set(mayBeNext.map(\.pool)) {
            guard others.allSatisfy({ $0.pool != pool || hasPlaceInShareOfPool($0) }),
                mayBeNext.allSatisfy({ hasPlaceInShare($0) && hasPlace($0) }), own.allSatisfy(hasPlace)
            else { continue }
            problem = "objects wait, and there is room for each of them"
        }
    }
}

extension MemoryModel {
    /// Lets the objects of ClusterKeyProviders whose KMS does not answer hold all the memory that they get. Each that ends is
    /// replaced by another one, while an object of a fourth ClusterKeyProvider waits.
    ///
    /// - Returns: Nil if the object was served, or the number of releases after which it was not.
    mutating func waitingTime(beside hanging: Int, _ random: inout SeededGenerator) -> Int? {
        let bytes = random.number(1..<4) * Self.mebibyte
        for index in 0..<hanging * 20 { addHanging(index, of: hanging, bytes) }
        let own = ObjectRef(namespace: "own", name: "large")
        reserve(Request(bytes: Reconciler.largeObject, pool: .own), for: own)
        if held[own] == nil { problem = "the object with the controller's own key waits" }
        if random.chance(0.5) { release(own) }
        let good = ObjectRef(namespace: "good", name: "good")
        let request = Request(
            bytes: random.number(1..<11) * Self.mebibyte, pool: .clusterKeyProvider("good"))
        reserve(request, for: good)
        let maximum = 2 * Self.limit / bytes
        for index in 0..<maximum where held[good] == nil && problem == nil {
            let others = held.keys.filter { $0.namespace == "hanging" }.sorted { $0.name < $1.name }
            guard let ref = others.randomElement(using: &random) else { break }
            release(ref)
            addHanging(hanging * (20 + index) + random.number(0..<hanging), of: hanging, bytes)
        }
        return held[good] == nil ? maximum : nil
    }

    private mutating func addHanging(_ index: Int, of count: Int, _ bytes: Int) {
        let pool = ReconcileMemoryLimiter.Pool.clusterKeyProvider("hanging-\(index % count)")
        reserve(
            Request(bytes: bytes, pool: pool), for: ObjectRef(namespace: "hanging", name: "\(index)"))
    }
}

/// Objects that have a place at a provider or wait for one.
private struct ProviderModel {
    private let limit: Int
    private let totalLimit: Int
    private let woken: Locked<[ObjectRef]>
    private let limiter: ProviderUnwrapLimiter
    private var held: [ObjectRef: String] = [:]
    private var waiting: [ObjectRef: String] = [:]
    /// For a provider that has no place, and for which objects wait, how often each other one was served since then.
    private var passed: [String: [String: Int]] = [:]
    private(set) var problem: String?

    init(workers: Int) {
        let woken = Locked<[ObjectRef]>([])
        limiter = ProviderUnwrapLimiter(workers: workers) { ref in woken.withLock { $0.append(ref) } }
        self.woken = woken
        limit = max(1, workers / 4)
        totalLimit = max(1, workers * 3 / 4)
    }

    mutating func act(_ random: inout SeededGenerator) {
        let ref = randomRef(&random)
        guard random.chance(0.7) else { return release(ref) }
        let provider = "provider-\(random.number(0..<4))"
        if held[ref] != provider { held[ref] = nil }
        let isGranted = limiter.reserve(provider, for: ref)
        let hadPlace = held[ref] == provider
        takeWoken()
        if !hadPlace, isGranted != hasPlace(provider) { problem = "\(ref) at \(provider): \(isGranted)" }
        waiting[ref] = isGranted ? nil : provider
        if isGranted { held[ref] = provider }
        check()
    }

    /// Releases what is held until no object waits.
    mutating func drain() {
        for _ in 0..<100 where problem == nil {
            guard let ref = held.keys.min(by: { "\($0)" < "\($1)" }) else { break }
            release(ref)
        }
        if !waiting.isEmpty { problem = "\(waiting.keys) wait for ever" }
    }

    private mutating func release(_ ref: ObjectRef) {
        held[ref] = nil
        limiter.release(ref)
        takeWoken()
        check()
    }

    private mutating func takeWoken() {
        let woken = woken.withLock { refs in
            defer { refs = [] }
            return refs
        }
        for ref in woken {
            guard let provider = waiting.removeValue(forKey: ref) else {
                problem = "\(ref) is woken and did not wait"
                return
            }
            held[ref] = provider
            serve(provider)
        }
    }

    /// The first turn of the other provider may be later than one that was next already.
    private mutating func serve(_ provider: String) {
        passed[provider] = nil
        for other in Set(waiting.values) where other != provider && !held.values.contains(other) {
            passed[other, default: [:]][provider, default: 0] += 1
            if passed[other]?[provider] ?? 0 > 2 { problem = "\(provider) is served again before \(other)" }
        }
    }

    private func hasPlace(_ provider: String) -> Bool {
        held.count < totalLimit && held.values.count(where: { $0 == provider }) < limit
    }

    private mutating func check() {
        let providers = Set(waiting.values)
        passed = passed.filter { providers.contains($0.key) }
        if held.count > totalLimit { problem = "\(held.count) places are reserved" }
        for provider in Set(held.values) where held.values.count(where: { $0 == provider }) > limit {
            problem = "too many places at \(provider)"
        }
        for (ref, provider) in waiting where hasPlace(provider) {
            problem = "\(ref) waits, and \(provider) has a place"
        }
    }
}
