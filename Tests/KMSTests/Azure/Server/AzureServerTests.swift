import Cryptography
import Envelope
import Foundation
import HTTP
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// Runs against Azure on loopback, which has been proved with the official clients.
@Suite(.enabled(if: AzureServer.isAvailable), .timeLimit(.minutes(5)))
struct AzureServerTests {
    private func manager(_ settings: [String: String]) throws -> any KeyManager {
        try KeyRing.load(from: Environment(settings)).primary
    }

    private func failure<Value>(_ body: () async throws(KeyManagerError) -> Value) async -> KeyManagerError? {
        await keyManagerError(body)
    }

    /// Wraps and unwraps a data key.
    private func roundTrip(_ manager: any KeyManager) async throws {
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    @Test(arguments: [false, true])
    func wrapsAndUnwraps(isManagedHSM: Bool) async throws {
        let vault = try await AzureTestVault.create(isManagedHSM: isManagedHSM)
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(made.recipient.keyID == vault.keyID)
        #expect(manager.keyID == vault.keyID)
        let unwrapped = try await manager.unwrap(made.recipient, for: sampleBinding)
        #expect(unwrapped.key.equals(made.key))
        #expect(unwrapped.keyVersion == String(vault.kid.suffix(32)))
        #expect(await manager.diagnose() == .passed)
    }

    @Test func wrapsAndUnwrapsWithAnRSAKeyOfAManagedHSM() async throws {
        let vault = try await AzureTestVault.create(isManagedHSM: true, keyType: "RSA-HSM")
        try await roundTrip(try manager(vault.applicationSettings))
    }

    @Test(arguments: [false, true])
    func unwrapsWhatTheOfficialClientWraps(isManagedHSM: Bool) async throws {
        let vault = try await AzureTestVault.create(isManagedHSM: isManagedHSM)
        let wrapped = try await vault.python(
            "print(base64.b64encode(client.wrap_key(algorithm, bytes(range(32))).encrypted_key).decode(), end='')"
        )
        let unwrapped = try await manager(vault.applicationSettings).unwrap(
            Recipient(keyID: vault.keyID, wrappedKey: wrapped), for: sampleBinding)
        #expect(unwrapped.key.equals(SharedSecret(copying: Array(0..<32))))
    }

    @Test(arguments: [false, true])
    func theOfficialClientUnwrapsWhatWeWrap(isManagedHSM: Bool) async throws {
        let vault = try await AzureTestVault.create(isManagedHSM: isManagedHSM)
        let recipient = try await manager(vault.applicationSettings).wrap(
            SharedSecret(copying: Array(0..<32)), for: sampleBinding)
        let unwrapped = try await vault.python(
            "print(client.unwrap_key(algorithm, base64.b64decode('\(recipient.wrappedKey)')).key.hex(), end='')",
            kid: String(recipient.keyID.dropFirst("azure-key-vault:".count)))
        #expect(unwrapped == hex(0..<32))
    }

    @Test func unwrapsWithOldVersionsAndWrapsWithTheNewest() async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let old = try await manager.generateDataKey(for: sampleBinding)
        let new = try await vault.rotate()
        #expect(try await manager.unwrap(old.recipient, for: sampleBinding).key.equals(old.key))
        let rewrapped = try await manager.rewrap(old.recipient, for: sampleBinding)
        #expect(rewrapped.keyID == "azure-key-vault:\(new)")
        #expect(try await manager.unwrap(rewrapped, for: sampleBinding).key.equals(old.key))
        #expect(
            try await vault.server.requests([
                "service": "vault", "key": "sb-wrap", "host": .string(String(vault.url.dropFirst(8))),
                "operation": "getKey", "status": 200,
            ]).isEmpty)
    }

    @Test func aVersionCanBePinned() async throws {
        let vault = try await AzureTestVault.create()
        _ = try await vault.rotate()
        let settings = ["SB_KMS_AZURE_KEY_VERSION": String(vault.kid.suffix(32))]
        let manager = try manager(vault.applicationSettings.merging(settings) { $1 })
        #expect(try await manager.generateDataKey(for: sampleBinding).recipient.keyID == vault.keyID)
    }

    @Test func aDisabledVersionIsUnavailableUntilItIsEnabled() async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await vault.setEnabled(false)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(made.recipient, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(error?.message.contains("is disabled") == true)
        try await vault.setEnabled(true)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    @Test func anUnknownVersionAndAChangedWrappedKeyAreReported() async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        let unknown = Recipient(
            keyID: vault.keyID.dropLast(32) + String(repeating: "0", count: 32),
            wrappedKey: made.recipient.wrappedKey)
        let missing = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(unknown, for: sampleBinding)
        }
        #expect(missing?.code == .keyUnavailable)
        let changed = Recipient(
            keyID: vault.keyID,
            wrappedKey: Base64.encode(try Base64.decode(made.recipient.wrappedKey).reversed()))
        let invalid = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(changed, for: sampleBinding)
        }
        #expect(invalid?.code == .invalidCiphertext)
    }

    @Test func theKeyOfAnotherVaultCausesNoRequest() async throws {
        let ours = try await AzureTestVault.create()
        let theirs = try await AzureTestVault.create()
        let made = try await manager(theirs.applicationSettings).generateDataKey(for: sampleBinding)
        let manager = try manager(ours.applicationSettings)
        let hosts = [ours, theirs].map { AnyJSON.string(String($0.url.dropFirst(8))) }
        let before = try await requestCount(hosts)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(made.recipient, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(manager.accepts(keyID: made.recipient.keyID) == false)
        #expect(try await requestCount(hosts) == before)
    }

    private func requestCount(_ hosts: [AnyJSON]) async throws -> Int {
        var count = 0
        for host in hosts { count += try await AzureServer.shared().requests(["host": host]).count }
        return count
    }

    @Test func eachRoleMayDoItsOperationsOnly() async throws {
        let vault = try await AzureTestVault.create()
        let made = try await manager(vault.applicationSettings).generateDataKey(for: sampleBinding)
        func application(_ operations: [String]) async throws -> any KeyManager {
            let clientID = UUID().uuidString.lowercased()
            try await vault.addApplication(clientID, ["secret": "s"], operations)
            return try manager(
                vault.applicationSettings.merging(["AZURE_CLIENT_ID": clientID, "AZURE_CLIENT_SECRET": "s"]) {
                    $1
                })
        }
        let developer = try await application(["wrapKey"])
        guard case .wrapsOnly = await developer.diagnose() else {
            Issue.record("the developer may unwrap")
            return
        }
        let controller = try await application(["unwrapKey"])
        guard case .unwrapsOnly = await controller.diagnose() else {
            Issue.record("the controller may wrap")
            return
        }
        #expect(try await controller.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let stranger = try await application([])
        guard case .failed(let error) = await stranger.diagnose() else {
            Issue.record("an identity without a role may do something")
            return
        }
        #expect(error.message.contains("Microsoft.KeyVault/vaults/keys/"))
    }

    @Test func aThrottledRequestIsRepeatedWhenTheVaultAllows() async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await fault(vault, ["status": 429, "headers": ["Retry-After": "1"]])
        let start = ContinuousClock.now
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        #expect(ContinuousClock.now - start >= .seconds(1))
    }

    @Test(arguments: [
        ["status": 401] as [String: AnyJSON], ["status": 500], ["status": 503, "count": 2], ["close": true],
        ["status": 502, "text": "<html>bad gateway</html>"],
    ])
    func aRequestOutlivesAFault(_ fault: [String: AnyJSON]) async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await self.fault(vault, fault)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    /// - Parameter fault: Concerns the next unwrap in this vault.
    private func fault(_ vault: AzureTestVault, _ fault: [String: AnyJSON]) async throws {
        try await vault.server.command(
            "fault", fault.merging(["on": "unwrapKey", "vault": .string(vault.name)]) { $1 })
    }

    @Test func aRevokedTokenIsReplacedByOneWithTheDemandedClaims() async throws {
        let vault = try await AzureTestVault.create()
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await vault.server.command("revoke", ["client_id": .string(vault.clientID)])
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let requests = try await vault.server.requests([
            "operation": "token", "client_id": .string(vault.clientID),
        ])
        let claims = try requests.map { try AnyJSON(Array(($0["claims"]?.string ?? "").utf8)) }
        #expect(claims.map { $0[["access_token", "nbf"]] != nil } == [false, true])
    }

    @Test func tokensThatExpireUnderLoadAreReplacedInTime() async throws {
        let server = try await AzureServer()
        let vault = try await AzureTestVault.create(on: server)
        try await server.command("lifetime", ["seconds": 3])
        let manager = try manager(vault.applicationSettings)
        let made = try await manager.generateDataKey(for: sampleBinding)
        let end = ContinuousClock.now + .seconds(10)
        let failures = Locked<[KeyManagerError]>([])
        await withTaskGroup(of: Void.self) { group in
            for worker in 0..<8 {
                group.addTask {
                    var index = 0
                    while ContinuousClock.now < end {
                        index += 1
                        do throws(KeyManagerError) {
                            let name = "w\(worker)-\(index)"
                            guard let binding = try? binding(name) else { return }
                            _ = try await manager.unwrap(made.recipient, for: binding)
                        } catch {
                            failures.withLock { $0.append(error) }
                        }
                        try? await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
        }
        #expect(failures.withLock { $0 } == [])
        // A token is replaced before it ends. If the machine stalls, a 401 for each worker is repeated.
        let unauthorized = try await server.requests(["operation": "unwrapKey", "status": 401])
        #expect(unauthorized.count <= 8)
        let tokens = try await server.requests(["operation": "token"])
        #expect(tokens.count >= 3)
        #expect(tokens.count <= 14)
    }

    @Test func aClientCertificateProvesTheApplication() async throws {
        let vault = try await AzureTestVault.create()
        let pem = String(decoding: try Python.run(["Tests/Clients/client_certificate.py"]), as: UTF8.self)
        let certificate = pem.range(of: "-----BEGIN CERTIFICATE-----").map { String(pem[$0.lowerBound...]) }
        let clientID = UUID().uuidString.lowercased()
        try await vault.addApplication(
            clientID, ["certificate": .string(certificate ?? "")], ["wrapKey", "unwrapKey"])
        let folder = try TemporaryFolder()
        let variables = [
            "AZURE_TENANT_ID": AzureServer.tenant, "AZURE_CLIENT_ID": clientID,
            "AZURE_CLIENT_CERTIFICATE_PATH": try folder.write("client.pem", pem),
        ]
        try await roundTrip(try manager(vault.settings.merging(variables) { $1 }))
        let other = try Python.run(["Tests/Clients/client_certificate.py"])
        try folder.write("client.pem", other)
        let error = await failure { () throws(KeyManagerError) in
            try await (try? manager(vault.settings.merging(variables) { $1 }))?.generateDataKey(
                for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("AADSTS700027") == true)
    }

    @Test func aServiceAccountsTokenProvesTheApplication() async throws {
        let vault = try await AzureTestVault.create()
        let subject = "system:serviceaccount:secrets-bridge:secrets-bridge"
        let issued = try AnyJSON(
            Array(
                try await vault.server.python(
                    "print(json.dumps(service_account.issue('\(subject)')))"
                ).utf8))
        try await vault.server.command(
            "issuer", ["issuer": issued["issuer"] ?? .null, "jwks": issued["jwks"] ?? .null])
        let clientID = UUID().uuidString.lowercased()
        try await vault.addApplication(
            clientID,
            [
                "federated": [
                    [
                        "issuer": issued["issuer"] ?? .null, "subject": .string(subject),
                        "audience": "api://AzureADTokenExchange",
                    ]
                ]
            ], ["wrapKey", "unwrapKey"])
        let folder = try TemporaryFolder()
        let variables = [
            "AZURE_TENANT_ID": AzureServer.tenant, "AZURE_CLIENT_ID": clientID,
            "AZURE_FEDERATED_TOKEN_FILE": try folder.write("token", issued["token"]?.string ?? ""),
        ]
        try await roundTrip(try manager(vault.settings.merging(variables) { $1 }))

        // A provider with an identity of a tenant; the credentials of this process would succeed too.
        let factory = KeyProviderFactory(
            from: Environment(vault.applicationSettings), for: .controller)
        let provider = try factory.keyManager(
            for: KeyProviderSettings(
                backend: "azure-key-vault",
                values: [
                    "vaultURL": vault.url, "key": "sb-wrap", "tenantID": AzureServer.tenant,
                    "clientID": clientID, "authorityHost": vault.server.authority,
                ]), identity: IdentityTokenFile(path: folder.path("token"), name: "a token"))
        let own = try await tokenRequests(vault.clientID)
        try await roundTrip(provider)
        #expect(try await tokenRequests(vault.clientID) == own)

        try folder.write("token", issued["other"]?.string ?? "")
        let error = await failure { () throws(KeyManagerError) in
            try await (try? manager(vault.settings.merging(variables) { $1 }))?.generateDataKey(
                for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("AADSTS700213") == true)
    }

    private func tokenRequests(_ clientID: String) async throws -> Int {
        try await AzureServer.shared().requests(["operation": "token", "client_id": .string(clientID)]).count
    }

    @Test func aTenantsIdentityNeverFallsBackToTheProcess() async throws {
        let vault = try await AzureTestVault.create()
        let folder = try TemporaryFolder()
        let provider = try KeyProviderFactory(
            from: Environment(vault.applicationSettings), for: .controller
        ).keyManager(
            for: KeyProviderSettings(
                backend: "azure-key-vault",
                values: [
                    "vaultURL": vault.url, "key": "sb-wrap", "tenantID": AzureServer.tenant,
                    "clientID": vault.clientID, "authorityHost": vault.server.authority,
                ]), identity: IdentityTokenFile(path: folder.path("missing"), name: "the tenant's token"))
        let error = await failure { () throws(KeyManagerError) in
            try await provider.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("the tenant's token cannot be read") == true)
        #expect(try await tokenRequests(vault.clientID) == 0)
    }

    @Test func theManagedIdentityOfTheMachineIsUsed() async throws {
        let vault = try await AzureTestVault.create()
        let clientID = UUID().uuidString.lowercased()
        try await vault.server.command(
            "managed_identity",
            ["client_id": .string(clientID), "tenant": .string(AzureServer.tenant)])
        try await vault.grant(clientID, ["wrapKey", "unwrapKey"])
        let settings = vault.settings.merging(["AZURE_CLIENT_ID": clientID]) { $1 }
        try await vault.server.command("fault", ["on": "metadata", "status": 410])
        try await roundTrip(try manager(settings))
    }

    @Test func doesNotTrustACertificateOfAnUnknownCA() async throws {
        let vault = try await AzureTestVault.create()
        var settings = vault.applicationSettings
        settings["SB_KMS_AZURE_CACERT"] = nil
        let manager = try manager(settings)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("SB_KMS_AZURE_CACERT names the CA's PEM file") == true)
    }
}
