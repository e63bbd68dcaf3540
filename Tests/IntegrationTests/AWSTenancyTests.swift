import Envelope
import Foundation
import KubeClient
import Resources
import TestSupport
import Testing

/// Providers of teams in AWS: a real API server issues their tokens, STS verifies them, and KMS evaluates the policies of each
/// team's role. The controller has a role and a key of its own.
@Suite(.onRealServers, .dedicatedAWS, .serialized)
struct AWSTenancyTests {
    /// Runs one controller for two teams.
    private func withTeams(
        _ body: (AWSTenant, AWSTenant, LoopbackAWS, ControllerProgram) async throws -> Void
    ) async throws {
        let aws = try DedicatedAWS.required()
        let settings = try await aws.podSettings()
        try await TestNamespace.withShared { first in
            try await TestNamespace.withShared { second in
                let (a, b) = (try await AWSTenant(first, aws), try await AWSTenant(second, aws))
                try await ControllerProgram.with(
                    first, settings, ["--watch-namespace", second.name]
                ) { controller in
                    try await eventually("the controller's own key is tested") {
                        try !controller.kmsLogLines().isEmpty
                    }
                    try await body(a, b, aws, controller)
                }
            }
        }
    }

    /// A provider that is not tested itself, because each namespace logs in with its own service account: so it causes no
    /// request.
    private func untested(_ spec: String) -> String {
        spec.replacing(
            "{audience: sts.amazonaws.com}",
            with: "{audience: sts.amazonaws.com, serviceAccountName: wrap-reader}")
    }

    private func message(_ object: WrappedSecret) -> String {
        object.status?.condition(.ready)?.message ?? ""
    }

    @Test func kmsSeesTheSessionOfEachTeamsRole() async throws {
        try await withTeams { a, b, aws, _ in
            let spec = try AWSTenant.providerSpec(aws, for: a, b)
            try await ClusterProvider.with(a.namespace.cluster, spec: spec) { provider in
                for team in [a, b] {
                    let start = try aws.requestCount()
                    try await team.createProvider(of: provider.name)
                    let status = try await team.namespace.providerStatus(.ready, of: "own").status
                    // The role may unwrap only.
                    #expect(status?.ready?.message.contains("kms:GenerateDataKey") == true)
                    try await team.namespace.apply(try await team.wrap("db", ["password": team.name]))
                    #expect(try await team.namespace.reconciled("db").status?.keyID == team.key)
                    #expect(try await team.namespace.secret("db")?.values == ["password": team.name])

                    let requests = try aws.requests(from: start)
                    let decrypts = requests.filter { $0.operation == "Decrypt" && $0.namespace == team.name }
                    #expect(decrypts.map(\.principal) == [team.session])
                    #expect(decrypts.map(\.resource) == [team.key])
                    #expect(decrypts.map(\.status) == ["200"])
                    let logins = requests.filter { $0.principal == team.subject }
                    #expect(logins.allSatisfy { $0.operation == "AssumeRoleWithWebIdentity" })
                    #expect(logins.first?.resource == team.role)
                    #expect(logins.first?.status == "200")
                }
            }
        }
    }

    @Test func kmsRefusesACopyOfAnotherTeamsWrappedSecret() async throws {
        try await withTeams { a, b, aws, _ in
            let spec = try AWSTenant.providerSpec(aws, for: a, b)
            try await ClusterProvider.with(a.namespace.cluster, spec: spec) { provider in
                for team in [a, b] {
                    try await team.createProvider(of: provider.name)
                    try await team.namespace.providerStatus(.ready, of: "own")
                }
                let manifest = try await a.wrap("db", ["password": "canary"])
                try await a.namespace.apply(manifest)
                try await a.namespace.reconciled("db")

                /// Applies the copy and returns its status and the requests that it caused.
                func apply(_ copy: Manifest, _ reason: Reason) async throws -> (String, [LoopbackAWS.Request])
                {
                    let start = try aws.requestCount()
                    try await b.namespace.apply(copy)
                    let message = message(try await b.namespace.reconciled("db", reason))
                    let requests = try aws.requests(from: start).filter { $0.namespace == b.name }
                    #expect(requests.allSatisfy { $0.principal == b.session })
                    #expect(requests.allSatisfy { $0.status == "400" })
                    #expect(try await b.namespace.secret("db") == nil)
                    return (message, requests)
                }

                // The provider has an alias, which may have pointed to any key of the account: the role's policy decides.
                var copy = manifest
                copy.metadata.namespace = b.name
                let (denial, denied) = try await apply(copy, .unwrapDenied)
                #expect(denial.contains("kms:Decrypt"), "\(denial)")
                #expect(denial.contains(a.key), "\(denial)")
                #expect(denied.last?.resource == a.key)

                // The role may use its own key, which did not make this ciphertext.
                copy.spec.recipients[0].keyID = b.key
                let (_, incorrect) = try await apply(copy, .decryptFailed)
                #expect(incorrect.last?.resource == b.key)

                // Even with a right to the key, the context of the other namespace does not fit.
                try await b.allow(a.key)
                copy.spec.recipients[0].keyID = a.key
                let (_, invalid) = try await apply(copy, .decryptFailed)
                #expect(invalid.last?.resource == a.key)
                try await b.allow(b.key)
            }
        }
    }

    @Test func refusesANamespaceThatTheProviderDoesNotAllowBeforeAnyRequest() async throws {
        try await withTeams { a, b, aws, _ in
            let spec = untested(try AWSTenant.providerSpec(aws, for: a))
            try await ClusterProvider.with(a.namespace.cluster, spec: spec) { provider in
                try await provider.status(.notTested)
                let direct = try await b.wrap(
                    "direct", ["k": "v"], provider: provider.name, kind: "ClusterKeyProvider")
                let indirect = try await b.wrap("indirect", ["k": "v"])
                let before = try aws.requestCount()
                try await b.createProvider(of: provider.name)
                try await b.namespace.providerStatus(.providerNotAllowed, of: "own")
                for manifest in [direct, indirect] {
                    let name = manifest.metadata.name
                    try await b.namespace.apply(manifest)
                    let message = message(try await b.namespace.reconciled(name, .providerNotAllowed))
                    #expect(
                        message.contains(
                            "ClusterKeyProvider \(provider.name) does not allow namespace \(b.name)"),
                        "\(message)")
                }
                #expect(try aws.requestCount() == before)
            }
        }
    }

    @Test(arguments: ["role", "key"])
    func refusesAFieldOutsideItsPatternBeforeAnyRequest(field: String) async throws {
        try await withTeams { a, b, aws, _ in
            let spec = untested(try AWSTenant.providerSpec(aws, for: a, b))
            try await ClusterProvider.with(a.namespace.cluster, spec: spec) { provider in
                try await provider.status(.notTested)
                var copy = try await a.wrap("db", ["k": "v"], provider: "thief")
                copy.metadata.namespace = b.name
                let before = try aws.requestCount()
                try await b.createProvider(
                    "thief", of: provider.name, key: field == "key" ? a.alias : nil,
                    role: field == "role" ? a.role : nil)
                let status = try await b.namespace.providerStatus(.providerNotAllowed, of: "thief").status
                #expect(status?.ready?.message.contains("spec.keyProviders.\(field)s") == true)
                try await b.namespace.apply(copy)
                let message = message(try await b.namespace.reconciled("db", .providerNotAllowed))
                #expect(
                    message.contains("ClusterKeyProvider \(provider.name) does not allow spec.\(field)"),
                    "\(message)")
                #expect(try aws.requestCount() == before)
            }
        }
    }

    /// An administrator who lets every team name any role still has the trust policies.
    @Test func stsRefusesTheRoleOfAnotherTeamThatAnAdministratorAllows() async throws {
        try await withTeams { a, b, aws, _ in
            let spec = try AWSTenant.providerSpec(aws, for: a, b).split(separator: "\n").map {
                $0.contains("keys:")
                    ? #"  keys: ["*"]"# : $0.contains("roles:") ? #"  roles: ["*"]"# : String($0)
            }
            try await ClusterProvider.with(
                a.namespace.cluster, spec: spec.joined(separator: "\n")
            ) { provider in
                let start = try aws.requestCount()
                try await b.createProvider("thief", of: provider.name, key: a.alias, role: a.role)
                let status = try await b.namespace.providerStatus(.accessDenied, of: "thief").status
                #expect(status?.ready?.message.contains("STS denies \(a.role)") == true)
                var copy = try await a.wrap("db", ["k": "v"], provider: "thief")
                copy.metadata.namespace = b.name
                try await b.namespace.apply(copy)
                let message = message(try await b.namespace.reconciled("db", .unwrapDenied))
                #expect(message.contains("trust policy"), "\(message)")
                #expect(try await b.namespace.secret("db") == nil)
                let requests = try aws.requests(from: start)
                let logins = requests.filter { $0.principal == b.subject }
                #expect(logins.first?.resource == a.role)
                #expect(logins.allSatisfy { $0.status == "403" })
                #expect(!requests.contains { $0.principal == a.session })
            }
        }
    }

    @Test func breaksAndRepairsOfOneTeamNeedNoRestartAndLeaveTheOtherAlone() async throws {
        try await withTeams { a, b, aws, controller in
            let cluster = a.namespace.cluster
            let spec = try AWSTenant.providerSpec(aws, for: a, b)
            try await ClusterProvider.with(cluster, spec: spec) { first in
                try await ClusterProvider.with(cluster, spec: spec) { second in
                    var value = 0
                    /// Breaks the first team's way to its key: its Secret keeps the old value until the repair. The second
                    /// team gets new values in the meantime.
                    func interrupt(
                        _ reason: Reason, by breaking: () async throws -> Void,
                        repair: () async throws -> Void
                    ) async throws {
                        let old = value
                        value += 1
                        let manifest = try await a.wrap("db", ["k": "\(value)"])
                        try await breaking()
                        try await a.namespace.apply(manifest)
                        try await a.namespace.reconciled("db", reason)
                        #expect(try await a.namespace.secret("db")?.values == ["k": "\(old)"])
                        try await b.namespace.apply(try await b.wrap("db", ["k": "\(value)"]))
                        try await b.namespace.reconciled("db")
                        #expect(try await b.namespace.secret("db")?.values == ["k": "\(value)"])
                        try await repair()
                        try await a.namespace.reconciled("db")
                        #expect(try await a.namespace.secret("db")?.values == ["k": "\(value)"])
                    }

                    try await a.createProvider(of: first.name)
                    try await b.createProvider(of: second.name)
                    for team in [a, b] {
                        try await team.namespace.apply(try await team.wrap("db", ["k": "0"]))
                        try await team.namespace.reconciled("db")
                    }
                    try await interrupt(.keyUnavailable) {
                        try await a.disableKey()
                    } repair: {
                        try await a.enableKey()
                    }
                    try await interrupt(.unwrapDenied) {
                        try await a.allowNothing()
                    } repair: {
                        try await a.allow(a.key)
                    }
                    try await interrupt(.providerNotFound) {
                        try await a.namespace.kubectl("delete", "keyprovider", "own")
                    } repair: {
                        try await a.createProvider(of: first.name)
                    }
                    try await interrupt(.providerNotFound) {
                        try await first.delete()
                    } repair: {
                        try await first.apply(spec: spec)
                    }
                    try await interrupt(.kmsUnavailable) {
                        try await first.apply(
                            spec: spec.replacing(
                                "stsEndpoint: \(aws.endpoint)", with: "stsEndpoint: http://127.0.0.1:1"))
                    } repair: {
                        try await first.apply(spec: spec)
                    }
                    #expect(!controller.log.contains(#""object":"\#(b.name)/db","reason""#))
                    let decrypts = try aws.requests().filter {
                        $0.operation == "Decrypt" && $0.namespace == b.name
                    }
                    #expect(decrypts.allSatisfy { $0.principal == b.session && $0.status == "200" })
                }
            }
        }
    }
}
