import Foundation
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// Attempts to take a Secret of another writer in the same namespace, by its name, a rename, a merge or an adoption.
    @Suite struct TenantOwnershipTests {
        private static let managed = #""labels":{"secrets-bridge.io/managed":"true"}"#

        private func allowing(_ value: String) -> String {
            #""annotations":{"secrets-bridge.io/allow":"\#(value)"}"#
        }

        /// Creates a Secret `app` of an operator, and expects at the end that no attempt has changed it.
        private func keepingTheOperatorsSecret(
            _ metadata: String = "", _ body: (HostileTenant) async throws -> Void
        ) async throws {
            try await TenantStage.attempt { stage in
                let namespace = stage.tenant.namespace
                let secret =
                    #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"app"\#(metadata)},"data":\#(HostileTenant.data("theirs"))}"#
                try await namespace.kubectl(
                    "apply", "--server-side", "--field-manager=operator", "-f", "-", input: Data(secret.utf8))
                let before = try #require(try await namespace.secret("app"))
                try await body(stage.tenant)
                let after = try #require(try await namespace.secret("app"))
                #expect(after.metadata.resourceVersion == before.metadata.resourceVersion)
                #expect(after.values == ["password": "theirs"])
            }
        }

        @Test(arguments: ["Owner", "Orphan", "Merge"])
        func doesNotTakeAForeignSecretByItsName(policy: String) async throws {
            try await keepingTheOperatorsSecret { tenant in
                try await tenant.apply("taker", secret: "app", policy: policy)
                try await tenant.namespace.reconciled("taker", .secretConflict)
            }
        }

        @Test func doesNotRenameItsSecretToAForeignOne() async throws {
            try await keepingTheOperatorsSecret { tenant in
                try await tenant.sync("taker", ["password": "own"])
                try await tenant.apply("taker", secret: "app")
                try await tenant.namespace.reconciled("taker", .secretConflict)
                #expect(try await tenant.namespace.secret("taker")?.values == ["password": "own"])
            }
        }

        @Test func doesNotTakeASecretOfAnotherController() async throws {
            // The garbage collector would delete the Secret of an owner that does not exist.
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                let uid = try await tenant.namespace.kubectl(
                    "get", "serviceaccount", "tenant", "-o", "jsonpath={.metadata.uid}")
                let reference =
                    #"{"apiVersion":"v1","kind":"ServiceAccount","name":"tenant","uid":"\#(uid)","controller":true}"#
                try await tenant.secret(
                    "app", #"\#(allowing("adopt")),"ownerReferences":[\#(reference)]"#, value: "theirs")
                try await tenant.apply("taker", secret: "app")
                try await tenant.namespace.reconciled("taker", .ownedByAnother)
                #expect(try await tenant.namespace.secret("app")?.values == ["password": "theirs"])
            }
        }

        @Test(arguments: ["Owner", "Orphan", "Merge"])
        func doesNotTakeTheSecretOfAnotherWrappedSecret(policy: String) async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await tenant.sync("first", ["password": "first"])
                // The permission does not count where a WrappedSecret owns the Secret.
                try await tenant.merge(
                    .secrets, "first",
                    #"{"metadata":{\#(allowing(policy == "Merge" ? "merge" : "adopt"))}}"#)
                try await tenant.apply("second", ["password": "second"], secret: "first", policy: policy)
                try await tenant.namespace.reconciled("second", .ownedByAnother)
                #expect(try await tenant.namespace.secret("first")?.values == ["password": "first"])
                try await tenant.namespace.reconciled("first")
            }
        }

        /// Not even an entry that the Secret does not have.
        @Test func doesNotMergeIntoASecretWithoutItsWritersPermission() async throws {
            try await keepingTheOperatorsSecret { tenant in
                try await tenant.apply("taker", ["other": "own"], secret: "app", policy: "Merge")
                try await tenant.namespace.reconciled("taker", .secretConflict)
            }
        }

        @Test func doesNotMergeOverAnEntryOfAnotherManager() async throws {
            try await keepingTheOperatorsSecret(#",\#(allowing("merge"))"#) { tenant in
                try await tenant.apply("taker", secret: "app", policy: "Merge")
                try await tenant.namespace.reconciled("taker", .secretConflict)
            }
        }

        /// Owner references and annotations that name a WrappedSecret of the tenant do not make its Secret the controller's.
        @Test func aForgedOwnerDoesNotBringAWrongValueIntoASecret() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                try await tenant.sync("real", ["password": "right"])
                let uid = try #require(try await tenant.namespace.wrappedSecret("real").metadata.uid)
                let owner =
                    #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","name":"real","uid":"\#(uid)","controller":true}"#
                let source =
                    #""secrets-bridge.io/wrapped-secret":"real","secrets-bridge.io/source":"\#(uid)/1""#
                try await tenant.secret(
                    "forged", #"\#(Self.managed),"annotations":{\#(source)},"ownerReferences":[\#(owner)]"#,
                    value: "forged")
                try await tenant.sync("real", ["password": "changed"])
                #expect(try await tenant.namespace.secret("forged")?.values["password"] != "changed")
            }
        }

        @Test(arguments: [true, false])
        func twoOrphansDoNotFightForASecretThatAllowsAdoption(atOnce: Bool) async throws {
            try await TenantStage.attempt { stage in
                let (tenant, namespace) = (stage.tenant, stage.tenant.namespace)
                try await tenant.secret("contested", "\(Self.managed),\(allowing("adopt"))", value: "theirs")
                let audit = try AuditLog(namespace)
                func apply(_ name: String) async throws {
                    try await tenant.apply(name, ["password": name], secret: "contested", policy: "Orphan")
                }
                if atOnce {
                    try await stage.controller.paused {
                        for name in ["first", "second"] { try await apply(name) }
                    }
                } else {
                    try await tenant.sync(
                        "first", ["password": "first"], secret: "contested", policy: "Orphan")
                    try await apply("second")
                }
                let adopter = try await eventually("one has adopted it") {
                    var reasons: [String: String] = [:]
                    for name in ["first", "second"] {
                        reasons[name] = try await namespace.wrappedSecret(name).status?.condition(.ready)?
                            .reason
                    }
                    guard reasons.values.sorted() == ["OwnedByAnother", "Synced"] else {
                        return nil as String?
                    }
                    return reasons["first"] == "Synced" ? "first" : "second"
                }
                #expect(adopter == "first" || atOnce)
                try await stage.victims.expectServed("after the adoption")
                #expect(try await namespace.secret("contested")?.values == ["password": adopter])
                let writes = try audit.requests().count {
                    $0.verb == "patch" && $0.objectRef?.resource == "secrets"
                        && $0.objectRef?.name == "contested"
                }
                #expect(writes <= 4)
            }
        }
    }
}
