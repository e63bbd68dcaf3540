import Foundation
import HTTPTypes
import Resources
import System
import Testing

@testable import KubeClient

/// A control plane, a controller of all namespaces, a tenant who attacks it, and the victims in another namespace.
struct TenantStage: Sendable {
    let cluster: Cluster
    let environment: [String: String]
    let controller: ControllerProcess
    let tenant: HostileTenant
    let victims: TenantVictims

    @TaskLocal private static var current: TenantStage?

    fileprivate static func with(_ body: () async throws -> Void) async throws {
        try await Cluster.withDedicated(try Settings.required(), ["--audit"]) { cluster in
            let repository = try Settings.required().repository
            for file in ["namespace", "rbac", "aggregated-roles"] {
                try await cluster.kubectl("apply", "-f", "\(repository)/manifests/base/\(file).yaml")
            }
            try await TestNamespace.with(cluster) { victim in
                try await TestNamespace.with(cluster) { attacker in
                    let environment = ["SB_ENV": "dev", "SB_WRAP_MASTER_KEY": victim.masterKey]
                    let controller = ControllerProcess(cluster, environment)
                    try await controller.start()
                    let stage = TenantStage(
                        cluster: cluster, environment: environment, controller: controller,
                        tenant: try await HostileTenant.create(in: attacker, key: victim.key),
                        victims: try await TenantVictims(victim))
                    do {
                        try await $current.withValue(stage, operation: body)
                    } catch {
                        await controller.kill()
                        throw error
                    }
                    try await controller.stop()
                }
            }
        }
    }

    /// Makes an attempt, expects that the victims are served after it, and removes what it has left. A stopped controller is
    /// replaced, so that each attempt is tested by itself.
    static func attempt(
        location: SourceLocation = #_sourceLocation, _ body: (TenantStage) async throws -> Void
    ) async throws {
        let stage = try #require(current)
        try await stage.controller.startIfStopped()
        do {
            try await body(stage)
            try await stage.victims.expectServed("after the attempt", location: location)
            try await stage.clear()
        } catch {
            Issue.record("the end of the controller's log:\n\(await stage.controller.log.suffix(3000))")
            try await stage.clear()
            await stage.controller.kill()
            try await stage.controller.start()
            try await stage.victims.recover()
            throw error
        }
    }

    /// Repeats an attempt while the victims are served. The first attempt is complete when they begin.
    func whileRepeating(_ attempt: @Sendable @escaping (HostileTenant) async throws -> Void) async throws {
        try await attempt(tenant)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    do {
                        try await attempt(tenant)
                        try await Task.sleep(for: .milliseconds(200))
                    } catch  where Task.isCancelled {}
                }
            }
            try await victims.expectServed("during the attempt")
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Expects the reason of each of the tenant's WrappedSecrets.
    func expect(_ reasons: [String: Reason]) async throws {
        for (name, reason) in reasons { try await tenant.namespace.reconciled(name, reason) }
    }

    /// Deletes all objects of the tenant.
    private func clear() async throws {
        for (resource, query) in [
            (WrappedSecret.resource, []), (KeyProvider.resource, []),
            (.secrets, [("fieldSelector", "type=Opaque")]),
        ] {
            try await cluster.admin.perform(
                KubeClient.Request(
                    method: .delete, path: resource.path(namespace: tenant.namespace.name), query: query,
                    accept: MediaType.metadataList, activity: "deleting \(resource.plural)",
                    maximumResponseSize: 256 << 20)
            ) { _ in }
        }
        for resource in [WrappedSecret.resource, .secrets] {
            let held = tenant.namespace.ref(HostileTenant.held)
            _ = try? await cluster.admin.patch(
                resource, held, .merge(body: Array(#"{"metadata":{"finalizers":null}}"#.utf8)))
        }
    }
}

extension HostileTenant {
    /// The name of objects with a finalizer that no controller removes.
    static let held = "held"
}

/// Gives a suite the stage.
struct TenantStageTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await TenantStage.with(function)
    }
}

/// The attempts of a tenant with the role `edit` in one namespace to read, change, stop or delay others. One controller serves
/// all of them, one after the other, in the order of the files. Each is followed by changes of a victim, which have to arrive
/// within a second, so nothing else may run beside them.
@Suite(.onRealServers, TenantStageTrait(), .serialized)
enum TenantAttempts {}
