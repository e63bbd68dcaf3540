import Controller
import Envelope
import Foundation
import KMS
import KubeClient
import Resources
import Testing

/// An envelope that must not be opened is refused with a reason, and does not affect other objects.
@Suite(.onRealServers, .serialized)
struct RefusalTests {
    @Test func refusesACopyInAnotherNamespace() async throws {
        try await TestNamespace.withShared { namespace in
            try await TestNamespace.withShared { other in
                for scope in [Scope.strict, .namespace] {
                    var copy = try await Manifest(
                        "db-\(scope.rawValue)", in: other.name, ["k": "v"], scope: scope, with: namespace.key)
                    copy.metadata.namespace = namespace.name
                    try await namespace.apply(copy)
                }
                try await RunningController.with(namespace) { _ in
                    for name in ["db-strict", "db-namespace"] {
                        let object = try await namespace.reconciled(name, .decryptFailed)
                        let message = object.status?.condition(.ready)?.message ?? ""
                        #expect(message.contains("namespace"), "names what to check: \(message)")
                        #expect(object.status?.condition(.stalled)?.status == "True")
                        #expect(try await namespace.secret(name) == nil)
                    }
                }
            }
        }
    }

    @Test func acceptsACopyUnderAnotherNameOnlyWithScopeNamespace() async throws {
        try await TestNamespace.withShared { namespace in
            var strict = try await namespace.wrap("db", ["k": "v"])
            strict.metadata.name = "strict-copy"
            var renamed = try await namespace.wrap("db", ["k": "v"])
            renamed.spec.template = .init(metadata: .init(name: "renamed"))
            var within = try await namespace.wrap("db", ["k": "v"], scope: .namespace)
            within.metadata.name = "namespace-copy"
            for manifest in [strict, renamed, within] { try await namespace.apply(manifest) }
            try await RunningController.with(namespace) { _ in
                try await namespace.reconciled("strict-copy", .decryptFailed)
                try await namespace.reconciled("db", .decryptFailed)
                try await namespace.reconciled("namespace-copy")
                #expect(try await namespace.secret("strict-copy") == nil)
                #expect(try await namespace.secret("renamed") == nil)
                #expect(try await namespace.secret("db") == nil)
                #expect(try await namespace.secret("namespace-copy")?.values == ["k": "v"])
            }
        }
    }

    @Test func acceptsScopeClusterOnlyIfTheOperatorAllowsIt() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.apply(try await namespace.wrap("db", ["k": "v"], scope: .cluster))
            try await RunningController.with(namespace) { controller in
                try await namespace.reconciled("db", .scopeNotAllowed)
                #expect(controller.key.unwraps == 0)
                #expect(try await namespace.secret("db") == nil)
            }
            try await RunningController.with(namespace, adjust: { $0.policy.scopes.insert(.cluster) }) { _ in
                try await namespace.reconciled("db")
                #expect(try await namespace.secret("db")?.values == ["k": "v"])
            }
        }
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        let what: String
        /// A JSON patch (RFC 6902).
        let patch: String
        let reason: Reason
        var testDescription: String { what }
    }

    static let damages = [
        Damage(
            what: "an entry removed", patch: #"[{"op":"remove","path":"/spec/data/password"}]"#,
            reason: .integrityFailed),
        Damage(
            what: "an entry renamed",
            patch: #"[{"op":"move","from":"/spec/data/password","path":"/spec/data/other"}]"#,
            reason: .integrityFailed),
        Damage(
            what: "two entries swapped",
            patch: """
                [{"op":"move","from":"/spec/data/password","path":"/spec/data/x"},\
                {"op":"move","from":"/spec/data/user","path":"/spec/data/password"},\
                {"op":"move","from":"/spec/data/x","path":"/spec/data/user"}]
                """,
            reason: .integrityFailed),
        Damage(
            what: "another MAC",
            patch: #"[{"op":"replace","path":"/spec/mac","value":"\#(String(repeating: "A", count: 43))="}]"#,
            reason: .integrityFailed),
        Damage(
            what: "base64 of an impossible length",
            patch:
                #"[{"op":"replace","path":"/spec/data/password","value":"\#(String(repeating: "A", count: 41))"}]"#,
            reason: .invalidSpec),
        Damage(
            what: "base64 with non-zero padding bits",
            patch:
                #"[{"op":"replace","path":"/spec/data/password","value":"\#(String(repeating: "A", count: 41))B=="}]"#,
            reason: .invalidSpec),
        Damage(
            what: "format v2", patch: #"[{"op":"replace","path":"/spec/format","value":"v2"}]"#,
            reason: .unsupportedFormat),
        Damage(
            what: "an unknown wrapped key",
            patch:
                #"[{"op":"replace","path":"/spec/recipients/0/wrappedKey","value":"\#(String(repeating: "A", count: 80))"}]"#,
            reason: .decryptFailed),
        Damage(
            what: "a key that is not configured",
            patch:
                #"[{"op":"replace","path":"/spec/recipients/0/keyID","value":"vault-transit:transit/other"}]"#,
            reason: .noUsableRecipient),
        Damage(
            what: "a forbidden type",
            patch:
                #"[{"op":"add","path":"/spec/template","value":{"type":"kubernetes.io/service-account-token"}}]"#,
            reason: .forbiddenType),
        Damage(
            what: "another scope", patch: #"[{"op":"replace","path":"/spec/scope","value":"namespace"}]"#,
            reason: .decryptFailed),
    ]

    @Test func aDamagedObjectKeepsItsSecretAndAffectsNoOther() async throws {
        try await TestNamespace.withShared { namespace in
            try await RunningController.with(namespace) { _ in
                let intact = try await namespace.wrap("db", ["user": "u", "password": "p"])
                try await namespace.apply(intact)
                try await namespace.reconciled("db")
                for (index, damage) in Self.damages.enumerated() {
                    let secret = try #require(try await namespace.secret("db"))
                    let refused = try await namespace.cluster.tryKubectl(
                        "-n", namespace.name, "patch", "wsec", "db", "--type=json", "-p", damage.patch)
                    // An API server that enforces the CEL rules refuses some of them.
                    if refused.status == 0 {
                        let object = try await namespace.reconciled("db", damage.reason)
                        #expect(object.status?.condition(.ready)?.status == "False", "\(damage.what)")
                        #expect(
                            object.status?.secret?.uid == secret.metadata.uid,
                            "\(damage.what): the status keeps the Secret")
                        try await namespace.apply("neighbour-\(index)", ["k": "v"])
                        try await namespace.reconciled("neighbour-\(index)")
                    }
                    let after = try #require(try await namespace.secret("db"))
                    #expect(
                        after.metadata.resourceVersion == secret.metadata.resourceVersion, "\(damage.what)")
                    // The patch needs the ownership of the damaged field.
                    try await namespace.kubectl(
                        "replace", "--validate=ignore", "-f", "-", input: try intact.json())
                    try await namespace.reconciled("db")
                }
                #expect(try await namespace.secret("db")?.values == ["user": "u", "password": "p"])
            }
        }
    }

    @Test func anObjectDamagedBeforeTheStartAffectsNoOther() async throws {
        try await TestNamespace.withShared { namespace in
            for index in 0..<5 {
                try await namespace.apply("good-\(index)", ["k": "\(index)"])
                var bad = try await namespace.wrap("bad-\(index)", ["k": "\(index)"])
                bad.spec.data = ["k": String(repeating: "A", count: 41)]
                try await namespace.apply(bad)
            }
            try await RunningController.with(namespace) { controller in
                for index in 0..<5 {
                    try await namespace.reconciled("good-\(index)")
                    try await namespace.reconciled("bad-\(index)", .invalidSpec)
                }
                #expect(controller.key.unwraps == 5)
            }
        }
    }

    @Test func theAPIServerRefusesAnInvalidWrappedSecret() async throws {
        try await TestNamespace.withShared { namespace in
            let good = String(decoding: try await namespace.wrap("db", ["k": "v"]).json(), as: UTF8.self)
            let cases = [
                (good.replacing(#""format":"v1","#, with: ""), "spec.format"),
                (good.replacing(#","scope":"strict""#, with: ""), "spec.scope"),
                (good.replacing(#""scope":"strict""#, with: #""scope":"galaxy""#), "spec.scope"),
                (good.replacing(#""recipients":["#, with: #""recipients":[],"other":["#), "spec.recipients"),
                (good.replacing(#""mac":""#, with: #""mac":"*"#), "spec.mac"),
                (
                    #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","metadata":{"name":"db"}}"#,
                    "spec"
                ),
            ]
            for (json, field) in cases {
                #expect(json != good)
                let outcome = try await namespace.cluster.tryKubectl(
                    "-n", namespace.name, "create", "--validate=false", "-f", "-", input: Data(json.utf8))
                #expect(outcome.status == 1, "\(field)")
                #expect(outcome.errors.contains(field), "\(outcome.errors)")
            }
        }
    }
}
