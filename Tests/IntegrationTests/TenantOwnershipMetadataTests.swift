import Foundation
import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Ownership does not depend on metadata that a tenant can remove or forge.
    @Suite struct TenantOwnershipMetadataTests {
        struct Removal: Sendable, CustomTestStringConvertible {
            /// What stays of the metadata.
            let kept: [String]
            let isRunning: Bool
            var testDescription: String {
                "\(kept.isEmpty ? "nothing" : kept.joined(separator: ", ")) stays, \(isRunning ? "running" : "before a start")"
            }
        }

        static let removals = [[], ["labels"], ["labels", "annotations"], ["ownerReferences"]].flatMap {
            kept in
            [true, false].map { Removal(kept: kept, isRunning: $0) }
        }

        /// `kubectl replace` with a file without the controller's metadata does this.
        @Test(arguments: removals)
        func correctsASecretThatLostItsMarks(_ removal: Removal) async throws {
            try await TenantStage.attempt { stage in
                let (tenant, namespace) = (stage.tenant, stage.tenant.namespace)
                try await tenant.sync("stripped", ["password": "right"])
                let before = try #require(try await namespace.secret("stripped")).metadata
                if !removal.isRunning { try await stage.controller.stop() }
                try await tenant.send(
                    .put, .secrets, "stripped",
                    body: Array(try await foreign("stripped", removal.kept, tenant).utf8))
                let start = ContinuousClock.now
                if !removal.isRunning { try await stage.controller.start() }
                let after = try await namespace.secret("stripped", until: "has our values and owner") {
                    $0.values == ["password": "right"]
                        && $0.metadata.ownerReferences == before.ownerReferences
                        && $0.metadata.labels?["secrets-bridge.io/managed"] == "true"
                }
                #expect(ContinuousClock.now - start < .seconds(2) || !removal.isRunning)
                #expect(after.metadata.uid == before.uid)
            }
        }

        /// Returns a Secret with forged data, and of the metadata only what is kept.
        private func foreign(_ name: String, _ kept: [String], _ tenant: HostileTenant) async throws -> String
        {
            var metadata = [#""name":"\#(name)""#]
            for field in kept {
                metadata.append(#""\#(field)":\#(try await tenant.metadata(.secrets, name, field))"#)
            }
            return #"{"apiVersion":"v1","kind":"Secret","metadata":{\#(metadata.joined(separator: ","))},"#
                + #""data":\#(HostileTenant.data("forged"))}"#
        }

        @Test func aCopyUnderANewUIDDoesNotKeepForeignValues() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await tenant.sync("copied", ["password": "right"])
                let copy = try await foreign("copied", ["labels", "annotations", "ownerReferences"], tenant)
                try await stage.controller.paused {
                    try await tenant.send(.delete, .secrets, "copied")
                    try await tenant.send(.post, .secrets, body: Array(copy.utf8))
                }
                try await tenant.namespace.secret("copied", until: "has our values") {
                    $0.values == ["password": "right"]
                }
            }
        }

        /// The generation of the annotation `source` counts as a later one, with which the controller never competes.
        @Test func aGenerationFromTheFutureDoesNotStopRepairs() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await tenant.sync("future", ["password": "right"])
                for number in 0..<3 {
                    try await claimALaterGeneration(tenant, "future", "\(number)")
                    try await tenant.namespace.secret("future", until: "is corrected") {
                        $0.values == ["password": "right"]
                    }
                }
            }
        }

        @Test func aGenerationFromTheFutureDoesNotHideAnotherWriter() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await tenant.sync("fought", ["password": "right"])
                try await eventually("another writer is named", within: .seconds(30)) {
                    try await claimALaterGeneration(tenant, "fought", "\(UInt32.random(in: 0...UInt32.max))")
                    try await Task.sleep(for: .milliseconds(100))
                    let status = try await tenant.namespace.wrappedSecret("fought").status
                    return status?.condition(.ready)?.reason == Reason.secretContested.rawValue
                }
            }
        }

        private func claimALaterGeneration(
            _ tenant: HostileTenant, _ name: String, _ value: String
        ) async throws {
            let uid = try await tenant.namespace.wrappedSecret(name).metadata.uid ?? ""
            try await tenant.merge(
                .secrets, name,
                #"{"metadata":{"annotations":{"secrets-bridge.io/source":"\#(uid)/9223372036854775807"}},"#
                    + #""data":\#(HostileTenant.data(value))}"#)
        }

        @Test(arguments: TenantTamperingTests.policies)
        func aRestoreOfBothObjectsWithForeignValuesIsCorrected(policy: String) async throws {
            try await TenantStage.attempt { stage in
                let (tenant, namespace) = (stage.tenant, stage.tenant.namespace)
                let secret = try await tenant.syncTarget("restored", policy, "right")
                let objects = [
                    try await backup(tenant, .secrets, secret),
                    try await backup(tenant, WrappedSecret.resource, "restored"),
                ]
                try await stage.controller.stop()
                try await tenant.delete(WrappedSecret.resource, "restored")
                try await tenant.delete(.secrets, secret)
                try await tenant.send(.post, .secrets, body: Array(objects[0].utf8))
                try await tenant.merge(.secrets, secret, #"{"data":\#(HostileTenant.data("forged"))}"#)
                try await tenant.send(.post, WrappedSecret.resource, body: Array(objects[1].utf8))
                try await stage.controller.start()
                // The garbage collector may delete the Secret first, because the uid of its owner does not exist any more.
                try await namespace.secret(secret, until: "has our values") {
                    $0.values["password"] == "right"
                }
                try await namespace.reconciled("restored")
            }
        }

        /// Returns an object as a backup has it: without uid, versions, managedFields and status.
        private func backup(_ tenant: HostileTenant, _ resource: Resource, _ name: String) async throws
            -> String
        {
            let json = try JSONSerialization.jsonObject(with: try await tenant.send(.get, resource, name))
            var object = try #require(json as? [String: Any])
            var metadata = try #require(object["metadata"] as? [String: Any])
            for field in [
                "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink",
            ] {
                metadata[field] = nil
            }
            object["metadata"] = metadata
            object["status"] = nil
            return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
        }
    }
}
