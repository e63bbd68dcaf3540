import Testing

/// Tokens of a real OpenBao that expire all the time. It has a server of its own, so that the minute passes beside other tests.
@Suite(.onRealServers, .dedicatedOpenBao)
struct VaultTokenTests {
    @Test func servesWithTokensOfThreeSeconds() async throws {
        let bao = try DedicatedOpenBao.required()
        try await bao.bao(
            "write", "auth/kubernetes/role/short", "bound_service_account_names=secrets-bridge",
            "bound_service_account_namespaces=secrets-bridge", "audience=vault",
            "token_policies=sb-controller", "token_ttl=3s", "token_max_ttl=12s")
        let before = try bao.auditEntries()
        let settings = try await bao.podSettings(role: "short")
        try await TestNamespace.withShared { namespace in
            try await ControllerProgram.with(namespace, settings) { controller in
                let developer = try await bao.key("developer")
                let end = ContinuousClock.now + .seconds(60)
                var round = 0
                while ContinuousClock.now < end {
                    round += 1
                    try await namespace.apply("db", ["k": "\(round)"], with: developer)
                    try await namespace.reconciled("db")
                    try await Task.sleep(for: .seconds(1))
                }
                #expect(try await namespace.secret("db")?.values == ["k": "\(round)"])
                let failures = controller.log.split(separator: "\n")
                    .filter { $0.contains("UnwrapDenied") || $0.contains("KMSUnavailable") }
                #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
            }
        }
        let logins = try bao.requests("auth/kubernetes/login", from: before)
        let renewals = try bao.requests("auth/token/renew-self", from: before)
        // Each token is renewed until its twelve seconds are nearly over.
        #expect((4...30).contains(logins), "\(logins) logins")
        #expect(renewals >= logins, "\(renewals) renewals, \(logins) logins")
    }
}
