import Foundation
import KubeClient
import Resources
import System
import Testing

/// WrappedSecrets of another namespace than the attacker's, whose users expect each change in its Secret within a second.
struct TenantVictims: Sendable {
    private static let promised = Duration.seconds(1)
    /// The limit for each change, of which the fastest of three counts: the machine may be busy.
    private static let limit = Duration.seconds(5)
    /// As many as keep the repairs of each below the limit of SecretContested.
    private static let count = 24
    /// An object that no test changes.
    private static let bystander = "bystander"

    let namespace: TestNamespace
    private let unchangedSecret: ObjectMeta
    private let next = Locked(0)

    init(_ namespace: TestNamespace) async throws {
        self.namespace = namespace
        let names = (0..<Self.count).map(Self.name) + [Self.bystander]
        try await namespace.applyAll(names) { _ in "first" }
        for name in names { try await namespace.reconciled(name) }
        unchangedSecret = try #require(try await namespace.secret(Self.bystander)).metadata
    }

    private static func name(_ number: Int) -> String { "db-\(number % count)" }

    /// Expects that a change and the correction of a drift arrive within a second, and that nothing else has changed.
    func expectServed(_ when: String, location: SourceLocation = #_sourceLocation) async throws {
        let changed = try await fastest(change)
        #expect(changed < Self.promised, "a change of the victim, \(when)", sourceLocation: location)
        let corrected = try await fastest(drift)
        #expect(corrected < Self.promised, "drift of the victim, \(when)", sourceLocation: location)
        try await expectUnchanged(when, location)
    }

    private func expectUnchanged(_ when: String, _ location: SourceLocation) async throws {
        let secret = try #require(try await namespace.secret(Self.bystander), sourceLocation: location)
        #expect(secret.metadata == unchangedSecret, "Secret of the victim, \(when)", sourceLocation: location)
        #expect(secret.values == ["k": "first"], "\(when)", sourceLocation: location)
        let ready = try await namespace.wrappedSecret(Self.bystander).status?.condition(.ready)
        #expect(ready?.reason == "Synced", "\(when)", sourceLocation: location)
    }

    /// Returns the shortest time of at most three measurements; one within the promise is enough.
    private func fastest(_ measure: (String) async throws -> Duration) async throws -> Duration {
        var fastest = Duration.seconds(3600)
        for _ in 0..<3 where fastest >= Self.promised {
            let name = Self.name(
                next.withLock { number in
                    number += 1
                    return number
                })
            fastest = min(fastest, try await measure(name))
        }
        return fastest
    }

    /// Applies a new version, and returns the time until the Secret has it.
    func change(_ name: String) async throws -> Duration {
        try await change(name, within: Self.limit)
    }

    @discardableResult
    func change(_ name: String, within limit: Duration) async throws -> Duration {
        let value = "value-\(UInt32.random(in: 0...UInt32.max))"
        let manifest = try await namespace.wrap(name, ["k": value])
        let start = ContinuousClock.now
        try await namespace.apply(manifest)
        try await arrival(of: value, in: name, limit)
        return ContinuousClock.now - start
    }

    /// Changes the Secret by hand, and returns the time until the change is reverted.
    private func drift(_ name: String) async throws -> Duration {
        let value = try #require(try await namespace.secret(name)?.values["k"])
        let start = ContinuousClock.now
        _ = try await namespace.cluster.admin.patch(
            .secrets, namespace.ref(name), .merge(body: Array(#"{"data":{"k":"ZHJpZnQ="}}"#.utf8)),
            fieldManager: "kubectl")
        try await arrival(of: value, in: name, Self.limit)
        return ContinuousClock.now - start
    }

    private func arrival(of value: String, in name: String, _ limit: Duration) async throws {
        try await eventually("Secret \(name) of the victim has \(value)", within: limit) {
            try await namespace.secret(name)?.values == ["k": value]
        }
    }

    /// Waits until the controller serves the victim again, after an attempt that has stopped it.
    func recover() async throws { try await change(Self.name(0), within: .seconds(60)) }
}
