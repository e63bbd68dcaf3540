import Envelope
import Foundation
import HTTPTypes
import KubeClient
import Resources
import Testing

extension TenantAttempts {
    /// WrappedSecrets of another namespace and parts of them, which the tenant has from Git, and earlier revisions.
    @Suite struct TenantCopyTests {
        @Test func theTenantHasRightsInItsOwnNamespaceAlone() async throws {
            try await TenantStage.attempt { stage in
                let (tenant, foreign) = (stage.tenant, stage.victims.namespace.name)
                for resource in [WrappedSecret.resource, KeyProvider.resource, Resource.secrets] {
                    let object =
                        #"{"apiVersion":"\#(resource.apiVersion)","kind":"\#(resource.kind)","metadata":{"name":"x"}}"#
                    try await tenant.expectRefusal(.forbidden) {
                        try await tenant.send(.get, resource, in: foreign)
                    }
                    try await tenant.expectRefusal(.forbidden) {
                        try await tenant.send(.post, resource, in: foreign, body: Array(object.utf8))
                    }
                    try await tenant.expectRefusal(.forbidden) {
                        try await tenant.send(.delete, resource, "bystander", in: foreign)
                    }
                }
                try await tenant.expectRefusal(.forbidden) {
                    try await tenant.send(.get, ClusterKeyProvider.resource, in: "")
                }
                try await tenant.apply("own")
                for subresource in ["status", "finalizers"] {
                    try await tenant.expectRefusal(.forbidden) {
                        try await tenant.send(
                            .patch, WrappedSecret.resource, "own", subresource: subresource,
                            body: Array("{}".utf8), type: HostileTenant.mergePatch)
                    }
                }
                // A body that names another namespace than its path.
                var manifest = try await tenant.wrap("x")
                manifest.metadata.namespace = foreign
                let body = Array(try manifest.json())
                try await tenant.expectRefusal(.badRequest) {
                    try await tenant.send(.post, WrappedSecret.resource, body: body)
                }
            }
        }

        @Test(arguments: [Scope.strict, .namespace])
        func aCopyOpensNothing(scope: Scope) async throws {
            try await TenantStage.attempt { stage in
                var copy = try await stolen(stage, scope: scope)
                copy.metadata.namespace = stage.tenant.namespace.name
                try await stage.tenant.expectBlocked(copy, .decryptFailed)
                // A wider scope than it was wrapped with.
                copy.spec.scope = scope == .strict ? "namespace" : "cluster"
                try await stage.tenant.expectBlocked(
                    copy, scope == .strict ? .decryptFailed : .scopeNotAllowed)
                copy.spec.scope = scope.rawValue
                copy.spec.template = .init(metadata: .init(name: "another"))
                try await stage.tenant.expectBlocked(copy, .decryptFailed)
            }
        }

        @Test func anEnvelopeOfScopeClusterIsNotOpened() async throws {
            try await TenantStage.attempt { stage in
                try await stage.tenant.expectBlocked(
                    try await stage.tenant.wrap("wide", scope: .cluster), .scopeNotAllowed)
            }
        }

        enum Splice: String, CaseIterable, CustomTestStringConvertible {
            case entry, recipients, dataAndMAC, recipientBesideItsOwn
            var testDescription: String { rawValue }
        }

        @Test(arguments: Splice.allCases)
        func aPartOfAForeignEnvelopeOpensNothing(_ splice: Splice) async throws {
            try await TenantStage.attempt { stage in
                let stolen = try await stolen(stage)
                var own = try await stage.tenant.wrap("db", ["k": "own"])
                var reason = Reason.integrityFailed
                switch splice {
                case .entry: own.spec.data = stolen.spec.data
                case .recipients:
                    own.spec.recipients = stolen.spec.recipients
                    reason = .decryptFailed
                case .dataAndMAC: (own.spec.data, own.spec.mac) = (stolen.spec.data, stolen.spec.mac)
                case .recipientBesideItsOwn:
                    own.spec.data = stolen.spec.data
                    own.spec.recipients += [
                        .init(
                            keyID: "vault-transit:transit/theirs",
                            wrappedKey: stolen.spec.recipients[0].wrappedKey)
                    ]
                }
                try await stage.tenant.expectBlocked(own, reason)
            }
        }

        @Test func twoRevisionsAreNeverMixed() async throws {
            try await TenantStage.attempt { stage in
                let tenant = stage.tenant
                let first = try await tenant.wrap("db", ["user": "u1", "password": "p1"])
                let second = try await tenant.wrap("db", ["user": "u2", "password": "p2"])
                try await tenant.apply(second)
                try await tenant.namespace.reconciled("db")
                var mixed = second
                mixed.spec.data["password"] = first.spec.data["password"]
                var swapped = second
                (swapped.spec.data["user"], swapped.spec.data["password"]) = (
                    second.spec.data["password"], second.spec.data["user"]
                )
                var olderMAC = second
                olderMAC.spec.mac = first.spec.mac
                var olderKey = second
                olderKey.spec.recipients = first.spec.recipients
                for manifest in [mixed, swapped, olderMAC, olderKey] {
                    try await tenant.apply(manifest)
                    try await tenant.namespace.reconciled("db", .integrityFailed)
                    let values = try await tenant.namespace.secret("db")?.values
                    #expect(values == ["user": "u2", "password": "p2"], "the Secret stays")
                }
                // A whole revision opens: the right to write WrappedSecrets includes this.
                try await tenant.apply(first)
                try await tenant.namespace.reconciled("db")
                #expect(try await tenant.namespace.secret("db")?.values == ["user": "u1", "password": "p1"])
            }
        }

        /// A WrappedSecret of the victim.
        private func stolen(_ stage: TenantStage, scope: Scope = .strict) async throws -> Manifest {
            try await stage.victims.namespace.wrap("db", ["k": "canary"], scope: scope)
        }
    }
}
