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

/// Objects that hold memory or wait for it.
private struct MemoryModel {
    private static let mebibyte = 1 << 20
    private static let limit = 8 * mebibyte

    private let woken: Locked<[ObjectRef]>
    private let limiter: ReconcileMemoryLimiter
    private var held: [ObjectRef: Int] = [:]
    private var waiting: [ObjectRef: Int] = [:]
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
        case 0, 1: reserve(random.number(1..<12) * Self.mebibyte, for: ref)
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

    private mutating func reserve(_ bytes: Int, for ref: ObjectRef) {
        // An object that grows does not wait twice, and may exceed the limit; here, none grows.
        let bytes = min(bytes, held[ref] ?? bytes)
        let used = held.values.reduce(0, +)
        let isGranted = held[ref] != nil || waiting.isEmpty && (used == 0 || used + bytes <= Self.limit)
        if limiter.reserve(bytes, for: ref) != isGranted { problem = "\(ref): \(bytes) bytes over \(used)" }
        if isGranted {
            held[ref] = bytes
        } else {
            waiting[ref] = bytes
        }
        takeWoken()
        check()
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
            guard let bytes = waiting.removeValue(forKey: ref) else {
                problem = "\(ref) is woken and did not wait"
                return
            }
            held[ref] = bytes
            serve(ref.namespace)
        }
    }

    /// One of the other namespace may have been next already when a namespace began to wait.
    private mutating func serve(_ namespace: String) {
        passed[namespace] = nil
        for other in Set(waiting.keys.map(\.namespace)) where other != namespace {
            passed[other, default: [:]][namespace, default: 0] += 1
            if passed[other]?[namespace] ?? 0 > 2 { problem = "\(namespace) is served again before \(other)" }
        }
    }

    private mutating func check() {
        let namespaces = Set(waiting.keys.map(\.namespace))
        passed = passed.filter { namespaces.contains($0.key) }
        let used = held.values.reduce(0, +)
        if used > Self.limit, held.count > 1 { problem = "\(used) bytes are reserved" }
        if let largest = waiting.values.max(), used == 0 || used + largest <= Self.limit {
            problem = "objects wait, and there is room for each of them"
        }
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
