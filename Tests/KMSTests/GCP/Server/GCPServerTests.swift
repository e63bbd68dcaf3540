import Cryptography
import Envelope
import Foundation
import HTTP
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// Runs against Google Cloud on loopback, which has been proved with the official clients.
@Suite(.enabled(if: GCPServer.isAvailable), .serialized, .timeLimit(.minutes(5)))
struct GCPServerTests {
    private func manager(_ settings: [String: String]) throws -> any KeyManager {
        try KeyRing.load(from: Environment(settings)).primary
    }

    private func failure<Value>(_ body: () async throws(KeyManagerError) -> Value) async -> KeyManagerError? {
        await keyManagerError(body)
    }

    private func unwrapFailure(_ manager: any KeyManager, _ recipient: Recipient) async -> KeyManagerError? {
        await failure { () throws(KeyManagerError) in try await manager.unwrap(recipient, for: sampleBinding)
        }
    }

    private func generationFailure(_ manager: any KeyManager) async -> KeyManagerError? {
        await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
    }

    /// Wraps and unwraps a data key.
    private func roundTrip(_ manager: any KeyManager) async throws {
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    // MARK: Keys

    @Test func wrapsAndUnwraps() async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        #expect(made.recipient.keyID == key.keyID)
        let unwrapped = try await manager.unwrap(made.recipient, for: sampleBinding)
        #expect(unwrapped.key.equals(made.key))
        #expect(unwrapped.keyVersion == "1")
        let second = try await manager.wrap(made.key, for: sampleBinding)
        #expect(second != made.recipient)
        #expect(try await manager.unwrap(second, for: sampleBinding).key.equals(made.key))
        #expect(await manager.diagnose() == .passed)
    }

    @Test func unwrapsWhatTheOfficialClientEncrypts() async throws {
        let key = try await GCPTestKey.create()
        let wrapped = try await key.python(
            """
            request = {'name': name, 'plaintext': bytes(range(32)), 'additional_authenticated_data': binding}
            print(base64.b64encode(client.encrypt(request=request).ciphertext).decode(), end='')
            """, binding: sampleBinding.bytes)
        let unwrapped = try await manager(key.allowedSettings()).unwrap(
            Recipient(keyID: key.keyID, wrappedKey: wrapped), for: sampleBinding)
        #expect(unwrapped.key.equals(SharedSecret(copying: Array(0..<32))))
    }

    @Test func theOfficialClientDecryptsWhatWeWrap() async throws {
        let key = try await GCPTestKey.create()
        let recipient = try await manager(key.allowedSettings()).wrap(
            SharedSecret(copying: Array(0..<32)), for: sampleBinding)
        let decrypted = try await key.python(
            """
            request = {'name': name, 'ciphertext': base64.b64decode('\(recipient.wrappedKey)'), 'additional_authenticated_data': binding}
            print(client.decrypt(request=request).plaintext.hex(), end='')
            """, binding: sampleBinding.bytes)
        #expect(decrypted == hex(0..<32))
    }

    @Test func rejectsACiphertextOfAnotherBindingOrKey() async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        for elsewhere in [
            try binding("db", namespace: "thieves"), try binding("other"),
            try Binding(scope: .namespace, namespace: "payments", secretName: "db"),
            try Binding(scope: .cluster, namespace: nil, secretName: "db"),
        ] {
            let error = await failure { () throws(KeyManagerError) in
                try await manager.unwrap(made.recipient, for: elsewhere)
            }
            #expect(error?.code == .invalidCiphertext)
            #expect(error?.message.contains("another namespace, name or scope") == true)
        }
        let other = try await GCPTestKey.create()
        let foreign = Recipient(keyID: other.keyID, wrappedKey: made.recipient.wrappedKey)
        let error = await unwrapFailure(try self.manager(try await other.allowedSettings()), foreign)
        #expect(error?.code == .invalidCiphertext)
    }

    @Test func rewrapMovesWhatThePrimaryVersionDidNotWrap() async throws {
        let key = try await GCPTestKey.create()
        let settings = try await key.allowedSettings()
        let old = try await manager(settings).generateDataKey(for: sampleBinding)
        try await key.rotate()
        let manager = try manager(settings)
        #expect(try await manager.unwrap(old.recipient, for: sampleBinding).keyVersion == "earlier")
        let moved = try await manager.rewrap(old.recipient, for: sampleBinding)
        #expect(moved != old.recipient)
        let unwrapped = try await manager.unwrap(moved, for: sampleBinding)
        #expect(unwrapped.key.equals(old.key))
        #expect(unwrapped.keyVersion == "2")
        #expect(try await manager.rewrap(moved, for: sampleBinding) == moved)
    }

    @Test func reportsThePrimaryVersionWithoutTheRightToReadTheKey() async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(
            key.settings(try await key.serviceAccount("cryptoKeyEncrypterDecrypter")))
        let made = try await manager.generateDataKey(for: sampleBinding)
        for _ in 0..<3 {
            #expect(try await manager.unwrap(made.recipient, for: sampleBinding).keyVersion == "primary")
        }
    }

    @Test(arguments: [
        ("DISABLED", "is disabled; enable it"), ("DESTROY_SCHEDULED", "is scheduled for destruction"),
    ])
    func aVersionThatIsNotEnabledIsUnavailableUntilItIs(state: String, problem: String) async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await key.setState(state, version: 1)
        let error = await unwrapFailure(manager, made.recipient)
        #expect(error?.code == .keyUnavailable)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
        try await key.setState("ENABLED", version: 1)
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    @Test func aDestroyedVersionAndAMissingKeyAreReported() async throws {
        let key = try await GCPTestKey.create()
        var settings = try await key.allowedSettings()
        let made = try await manager(settings).generateDataKey(for: sampleBinding)
        try await key.rotate()
        try await key.setState("DESTROYED", version: 1)
        let destroyed = await unwrapFailure(try manager(settings), made.recipient)
        #expect(destroyed?.code == .keyUnavailable)
        #expect(destroyed?.message.contains("is destroyed") == true)
        // The other version still serves.
        try await roundTrip(try manager(settings))
        settings["SB_KMS_GCP_KEY"] = key.name + "-2"
        let missingKey = try manager(settings)
        let missing = await failure { () throws(KeyManagerError) in
            try await missingKey.wrap(made.key, for: sampleBinding)
        }
        // Google does not tell an identity without a role whether the key exists.
        #expect(missing?.code == .accessDenied)
    }

    @Test func eachRoleMayDoItsOperationsOnly() async throws {
        let key = try await GCPTestKey.create()
        let made = try await manager(key.allowedSettings()).generateDataKey(for: sampleBinding)
        let developer = try manager(key.settings(try await key.serviceAccount("cryptoKeyEncrypter")))
        guard case .wrapsOnly(let denial) = await developer.diagnose() else {
            Issue.record("the developer may unwrap")
            return
        }
        #expect(denial.message.contains("roles/cloudkms.cryptoKeyDecrypter"))
        let controller = try manager(key.settings(try await key.serviceAccount("cryptoKeyDecrypter")))
        guard case .unwrapsOnly = await controller.diagnose() else {
            Issue.record("the controller may wrap")
            return
        }
        #expect(try await controller.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        let stranger = try manager(key.settings(try await key.serviceAccount()))
        guard case .failed(let error) = await stranger.diagnose() else {
            Issue.record("an identity without a role may do something")
            return
        }
        #expect(error.code == .accessDenied)
    }

    // MARK: Faults

    @Test func aThrottledRequestIsRepeatedWhenCloudKMSAllows() async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await fail(["operation": "decrypt", "status": 429, "retry_after": 1])
        let start = ContinuousClock.now
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
        #expect(ContinuousClock.now - start >= .seconds(1))
    }

    private static let passingFaults: [[String: AnyJSON]] = [
        ["status": 401], ["status": 500], ["status": 503, "times": 2], ["status": 0],
        ["status": 502, "html": true], ["status": 504, "error": "DEADLINE_EXCEEDED"],
    ]

    @Test(arguments: passingFaults)
    func aRequestOutlivesAFault(_ fault: [String: AnyJSON]) async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await fail(fault.merging(["operation": "decrypt"]) { $1 })
        #expect(try await manager.unwrap(made.recipient, for: sampleBinding).key.equals(made.key))
    }

    private func fail(_ fault: [String: AnyJSON]) async throws {
        try await GCPServer.shared().control("fail", .object(["service": "kms"].merging(fault) { $1 }))
    }

    /// Each is a field of a response, with a value that replaces it: nil flips a bit.
    private static let corruptions: [(operation: String, field: String, value: AnyJSON?)] = [
        ("encrypt", "ciphertext", nil), ("encrypt", "ciphertextCrc32c", nil),
        ("encrypt", "ciphertextCrc32c", .null), ("encrypt", "verifiedPlaintextCrc32c", .null),
        ("encrypt", "verifiedAdditionalAuthenticatedDataCrc32c", false), ("decrypt", "plaintext", nil),
        ("decrypt", "plaintextCrc32c", nil), ("decrypt", "plaintextCrc32c", .null),
    ]

    @Test(arguments: corruptions)
    func aCorruptedResponseIsRepeatedAFewTimes(
        operation: String, field: String, value: AnyJSON?
    ) async throws {
        let key = try await GCPTestKey.create()
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        func corrupt(times: Int) async throws {
            var body: [String: AnyJSON] = [
                "operation": .string(operation), "field": .string(field), "times": .int(times),
            ]
            body["value"] = value
            try await key.server.control("corrupt", .object(body))
        }
        func use() async throws(KeyManagerError) {
            if operation == "encrypt" {
                _ = try await manager.wrap(made.key, for: sampleBinding)
            } else {
                let unwrapped = try await manager.unwrap(made.recipient, for: sampleBinding)
                #expect(unwrapped.key.equals(made.key))
            }
        }
        try await corrupt(times: 1)
        try await use()
        try await corrupt(times: 3)
        let error = await failure { () throws(KeyManagerError) in try await use() }
        #expect(error?.code == .unavailable)
        let message = error?.message ?? ""
        #expect(message.contains("CRC-32C") || message.contains("checksums"), "\(message)")
    }

    @Test func revokedTokensAreReplacedOnce() async throws {
        let server = try await GCPServer()
        let key = try await GCPTestKey.create(on: server)
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        try await server.control("forget", [:])
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask {
                    let binding = (try? binding("s\(index)")) ?? sampleBinding
                    let error = await failure { () throws(KeyManagerError) in
                        try await manager.wrap(made.key, for: binding)
                    }
                    #expect(error == nil)
                }
            }
        }
        #expect(try server.requests(["service": "oauth2"]).count == 2)
    }

    @Test func tokensThatExpireUnderLoadAreReplacedInTime() async throws {
        let server = try await GCPServer()
        try await server.configure(["token_seconds": 3])
        let key = try await GCPTestKey.create(on: server)
        let manager = try manager(try await key.allowedSettings())
        let made = try await manager.generateDataKey(for: sampleBinding)
        let end = ContinuousClock.now + .seconds(10)
        let failures = Locked<[KeyManagerError]>([])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    while ContinuousClock.now < end {
                        do throws(KeyManagerError) {
                            // Unlike unwraps, equal wraps do not share a request.
                            _ = try await manager.wrap(made.key, for: sampleBinding)
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
        #expect(try server.requests(["operation": "encrypt", "status": 401]).count <= 8)
        let tokens = try server.requests(["service": "oauth2"]).count
        #expect(tokens >= 4)
        #expect(tokens <= 14)
    }

    // MARK: Credentials

    @Test func aUserOfGcloudHasAQuotaProject() async throws {
        let key = try await GCPTestKey.create()
        var file = try await key.server.control("user", ["email": "dev@example.com"])
        file["token_uri"] = .string("\(key.server.url)/token")
        file["quota_project_id"] = "payer"
        try await key.grant("cryptoKeyEncrypterDecrypter", to: "user:dev@example.com")
        try await key.server.configure(["quota_projects": ["payer"]])
        try await roundTrip(try manager(key.settings(file)))
        let seen = try key.server.requests(["principal": "user:dev@example.com", "project": "payer"])
        #expect(seen.count >= 2)
        // The variable wins over the file.
        let settings = try key.settings(file).merging(["GOOGLE_CLOUD_QUOTA_PROJECT": "another"]) { $1 }
        let error = await generationFailure(try manager(settings))
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("roles/serviceusage.serviceUsageConsumer") == true)
        try await key.server.configure(["quota_projects": .null])
    }

    private enum SubjectSource: CaseIterable {
        case file, jsonFile, url, jsonURL
    }

    /// Creates a pool provider that trusts the server's own tokens. Returns its audience.
    private func createProvider(_ key: GCPTestKey) async throws -> String {
        let pool = "p-\(UUID().uuidString.prefix(8).lowercased())"
        let audience =
            "//iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/\(pool)/providers/cluster"
        try await key.server.control("provider", ["audience": .string(audience)])
        return audience
    }

    private func member(_ audience: String, subject: String) -> String {
        let pool = audience.dropFirst(2).prefix { $0 != "!" }.components(separatedBy: "/providers/")[0]
        return "principal://\(pool)/subject/\(subject)"
    }

    private func externalAccount(_ key: GCPTestKey, _ audience: String, _ source: AnyJSON) -> AnyJSON {
        [
            "type": "external_account", "audience": .string(audience),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": .string("\(key.server.url)/v1/token"), "credential_source": source,
        ]
    }

    @Test(arguments: SubjectSource.allCases)
    private func exchangesATokenOfAnotherIssuer(_ kind: SubjectSource) async throws {
        let key = try await GCPTestKey.create()
        let audience = try await createProvider(key)
        let token = try await key.server.control(
            "subject-token", ["sub": "reader", "aud": .string(audience)])
        let text = token["token"]?.string ?? ""
        let json: AnyJSON = ["type": "json", "subject_token_field_name": "token"]
        let folder = key.server.folder
        let source: AnyJSON =
            switch kind {
            case .file: ["file": .string(try folder.write(UUID().uuidString, text + "\n"))]
            case .jsonFile:
                ["file": .string(try folder.write(UUID().uuidString, try token.data())), "format": json]
            case .url: ["url": .string("\(key.server.url)/subject-token"), "headers": ["Metadata": "True"]]
            case .jsonURL:
                ["url": .string("\(key.server.url)/subject-token?format=json"), "format": json]
            }
        try await key.grant("cryptoKeyEncrypterDecrypter", to: member(audience, subject: "reader"))
        try await roundTrip(try manager(key.settings(externalAccount(key, audience, source))))
    }

    @Test func aFederatedIdentityImpersonatesAServiceAccount() async throws {
        let key = try await GCPTestKey.create()
        let audience = try await createProvider(key)
        let token = try await key.server.control(
            "subject-token", ["sub": "reader", "aud": .string(audience)])
        let account =
            try await key.serviceAccount("cryptoKeyEncrypterDecrypter")["client_email"]?.string ?? ""
        var file = externalAccount(
            key, audience,
            ["file": .string(try key.server.folder.write(UUID().uuidString, token["token"]?.string ?? ""))])
        file["service_account_impersonation_url"] = .string(impersonationURL(key, account))
        let manager = try manager(key.settings(file))
        let denied = await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(denied?.code == .accessDenied)
        #expect(denied?.message.contains("roles/iam.workloadIdentityUser") == true)
        try await allowImpersonation(key, of: account, by: member(audience, subject: "reader"))
        try await roundTrip(try self.manager(key.settings(file)))
        #expect(
            try key.server.requests(["principal": .string("serviceAccount:\(account)"), "status": 200]).count
                >= 2)
    }

    private func impersonationURL(_ key: GCPTestKey, _ account: String) -> String {
        "\(key.server.url)/v1/projects/-/serviceAccounts/\(account):generateAccessToken"
    }

    private func allowImpersonation(_ key: GCPTestKey, of account: String, by member: String) async throws {
        try await key.server.control(
            "grant",
            [
                "resource": .string("projects/example-project/serviceAccounts/\(account)"),
                "role": "iam.serviceAccountTokenCreator", "member": .string(member),
            ])
    }

    @Test func aServiceAccountImpersonatesAnother() async throws {
        let key = try await GCPTestKey.create()
        let source = try await key.serviceAccount()
        let account =
            try await key.serviceAccount("cryptoKeyEncrypterDecrypter")["client_email"]?.string ?? ""
        try await allowImpersonation(
            key, of: account, by: "serviceAccount:\(source["client_email"]?.string ?? "")")
        let file: AnyJSON = [
            "type": "impersonated_service_account", "delegates": [],
            "service_account_impersonation_url": .string(impersonationURL(key, account)),
            "source_credentials": source,
        ]
        try await roundTrip(try manager(key.settings(file)))
    }

    @Test func theMetadataServerGivesTheIdentityOfTheInstance() async throws {
        let server = try await GCPServer()
        let key = try await GCPTestKey.create(on: server)
        var settings = key.settings
        settings["NO_GCE_CHECK"] = nil
        settings["GCE_METADATA_HOST"] = "127.0.0.1:\(server.port)"
        let none = await generationFailure(try manager(settings))
        #expect(none?.code == .misconfigured)
        #expect(none?.message.contains("no service account is attached") == true)
        let member = "serviceAccount:node@example-project.iam.gserviceaccount.com"
        try await key.grant("cryptoKeyEncrypterDecrypter", to: member)
        try await server.configure(["metadata": ["principal": .string(member)]])
        try await roundTrip(try manager(settings))
        try await server.configure(["metadata": ["flavor": false]])
        let impostor = await generationFailure(try manager(settings))
        #expect(impostor?.message.contains("is not a metadata server") == true)
    }

    /// The identity of a provider, whose tokens Google gets in exchange for nothing of this process.
    @Test func aProviderUsesTheTokensOfItsIdentity() async throws {
        struct Identity: IdentityTokenSource {
            let name = "the token of service account team-a/reader"
            let text: String

            func token() async throws(IdentityTokenError) -> SharedSecret { SharedSecret(copying: text.utf8) }
        }
        let key = try await GCPTestKey.create()
        let audience = try await createProvider(key)
        let token = try await key.server.control(
            "subject-token",
            ["sub": "system:serviceaccount:team-a:reader", "aud": .string(audience)])
        try await key.grant(
            "cryptoKeyEncrypterDecrypter",
            to: member(audience, subject: "system:serviceaccount:team-a:reader"))
        // The controller's own credentials may not use the key.
        let own = try key.settings(try await key.serviceAccount())
        let factory = KeyProviderFactory(from: Environment(own), for: .controller)
        func manager(_ fields: [String: String], identity: (any IdentityTokenSource)?) throws
            -> any KeyManager
        {
            let values = [
                "key": key.name, "endpoint": key.server.url, "workloadIdentityProvider": audience,
                "stsEndpoint": key.server.url, "iamEndpoint": key.server.url,
            ].merging(fields) { $1 }
            return try factory.keyManager(
                for: KeyProviderSettings(backend: "gcp-kms", values: values), identity: identity)
        }
        let identity = Identity(text: token["token"]?.string ?? "")
        try await roundTrip(try manager([:], identity: identity))
        let withoutIdentity = try manager([:], identity: nil)
        let denied = await failure { () throws(KeyManagerError) in
            try await withoutIdentity.generateDataKey(for: sampleBinding)
        }
        #expect(denied?.code == .accessDenied)
        let forged = try manager([:], identity: Identity(text: "not.a.token"))
        let refused = await failure { () throws(KeyManagerError) in
            try await forged.generateDataKey(for: sampleBinding)
        }
        #expect(refused?.code == .accessDenied)
        #expect(refused?.message.contains("invalid_grant") == true)
    }

    @Test func theTokenEndpointsErrorsNameTheRemedy() async throws {
        let key = try await GCPTestKey.create()
        let settings = try await key.allowedSettings()
        try await key.server.control("fail", ["service": "oauth2", "status": 503, "times": 2])
        try await roundTrip(try manager(settings))
        try await key.server.control("fail", ["service": "oauth2", "status": 400, "error": "invalid_grant"])
        let manager = try manager(settings)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.generateDataKey(for: sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("was deleted or disabled, or this machine's clock is wrong") == true)
    }
}
