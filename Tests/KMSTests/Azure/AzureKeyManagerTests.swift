import Cryptography
import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

struct AzureKeyManagerTests {
    private let dataKey = SharedSecret(copying: Array(repeating: UInt8(0xFB), count: 32))
    private let wrapped = [UInt8](repeating: 7, count: 256)

    private func failure<Value>(_ body: () async throws(KeyManagerError) -> Value) async -> KeyManagerError? {
        await keyManagerError(body)
    }

    @Test func wrapsWithTheNewestVersionAndStoresTheVersion() async throws {
        let transport = fakeAzure { [wrapped] _ in .azureResult(wrapped) }
        let manager = try azureKeyManager(transport)
        #expect(manager.keyID == "azure-key-vault:\(azureVault)/keys/sb-wrap")
        let recipient = try await manager.wrap(dataKey, for: sampleBinding)
        #expect(recipient == azureRecipient)
        #expect(manager.keyID == azureKeyID)
        let request = try #require(transport.authorized.first)
        #expect(request.line == "POST /keys/sb-wrap/wrapkey?api-version=7.4")
        #expect(request.origin == azureVault)
        let body = try AnyJSON(request.body)
        #expect(body["alg"] == "RSA-OAEP-256")
        #expect(body["value"] == .string(String(repeating: "-_v7", count: 10) + "-_s"))
    }

    @Test func wrapsWithTheConfiguredVersion() async throws {
        let transport = fakeAzure { [wrapped] _ in .azureResult(wrapped) }
        let manager = try azureKeyManager(transport, ["SB_KMS_AZURE_KEY_VERSION": azureVersion])
        #expect(manager.keyID == azureKeyID)
        _ = try await manager.wrap(dataKey, for: sampleBinding)
        #expect(
            transport.authorized.first?.line == "POST /keys/sb-wrap/\(azureVersion)/wrapkey?api-version=7.4")
    }

    @Test func unwrapsWithTheVersionOfTheRecipient() async throws {
        let transport = fakeAzure { _ in .azureResult() }
        let manager = try azureKeyManager(
            transport, ["SB_KMS_AZURE_KEY_VERSION": String(repeating: "f", count: 32)])
        let unwrapped = try await manager.unwrap(azureRecipient, for: sampleBinding)
        #expect(unwrapped.key.equals(SharedSecret(copying: Array(repeating: 9, count: 32))))
        #expect(unwrapped.keyVersion == azureVersion)
        let request = try #require(transport.authorized.first)
        #expect(request.line == "POST /keys/sb-wrap/\(azureVersion)/unwrapkey?api-version=7.4")
        #expect(try AnyJSON(request.body)["value"] == .string(Base64URL.encode(wrapped)))
    }

    @Test func rewrapsByUnwrappingAndWrapping() async throws {
        let new = String(repeating: "a", count: 32)
        let transport = fakeAzure { [wrapped] request in
            request.path.hasSuffix("/unwrapkey") ? .azureResult() : .azureResult(wrapped, version: new)
        }
        let recipient = try await azureKeyManager(transport).rewrap(azureRecipient, for: sampleBinding)
        #expect(recipient.keyID == "azure-key-vault:\(azureVault)/keys/sb-wrap/\(new)")
        #expect(
            transport.authorized.map(\.path) == [
                "/keys/sb-wrap/\(azureVersion)/unwrapkey", "/keys/sb-wrap/wrapkey",
            ])
    }

    @Test(arguments: [
        "azure-key-vault:https://evil.example/keys/sb-wrap/\(azureVersion)",
        "azure-key-vault:\(azureVault)/keys/other/\(azureVersion)",
        "azure-key-vault:\(azureVault)/keys/sb-wrap/../../x",
    ])
    func sendsNoRequestForTheKeyOfAnotherVault(keyID: String) async throws {
        let transport = fakeAzure { _ in .azureResult() }
        let manager = BatchingKeyManager(try azureKeyManager(transport))
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(
                Recipient(keyID: keyID, wrappedKey: azureRecipient.wrappedKey), for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(error?.concernsOneCiphertext == true)
        #expect(error?.message.contains("is not a version of \(azureVault)/keys/sb-wrap") == true)
        #expect(transport.requests.isEmpty)
    }

    @Test(arguments: ["", "!!", Base64.encode([UInt8](repeating: 1, count: 40)), "QUJD"])
    func sendsNoRequestForAWrappedKeyThatAzureDidNotMake(wrappedKey: String) async throws {
        let transport = fakeAzure { _ in .azureResult() }
        let manager = try azureKeyManager(transport)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(Recipient(keyID: azureKeyID, wrappedKey: wrappedKey), for: sampleBinding)
        }
        #expect(error?.code == .invalidCiphertext)
        #expect(transport.requests.isEmpty)
    }

    @Test(arguments: [
        FakeTransport.Response.azureResult(version: String(repeating: "b", count: 32)),
        .azureResult(key: "https://other.vault.azure.net/keys/sb-wrap"),
        .azureResult(key: "\(azureVault)/keys/other"),
    ])
    func rejectsTheResponseOfAnotherKey(response: FakeTransport.Response) async throws {
        let manager = try azureKeyManager(fakeAzure { _ in response })
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("used another key") == true)
    }

    @Test(arguments: [
        "{}", "[]", "<html>", #"{"kid":"x"}"#,
        #"{"kid":"\#(azureVault)/keys/sb-wrap/\#(azureVersion)","value":"a+b="}"#,
    ])
    func rejectsAMalformedResponse(body: String) async throws {
        let manager = try azureKeyManager(fakeAzure { _ in .init(200, body) })
        let error = await failure { () throws(KeyManagerError) in
            try await manager.wrap(dataKey, for: sampleBinding)
        }
        #expect(error?.code == .unavailable)
    }

    @Test func usesAESOnAManagedHSM() async throws {
        let transport = fakeAzure(resource: "https://managedhsm.azure.net") { request in
            request.path.hasSuffix("/unwrapkey")
                ? .azureResult(key: "\(azureHSM)/keys/sb-wrap")
                : .azureResult([UInt8](repeating: 3, count: 40), key: "\(azureHSM)/keys/sb-wrap")
        }
        let manager = try azureKeyManager(transport, vault: azureHSM)
        let recipient = try await manager.wrap(dataKey, for: sampleBinding)
        #expect(recipient.keyID == "azure-key-vault:\(azureHSM)/keys/sb-wrap/\(azureVersion)")
        _ = try await manager.unwrap(recipient, for: sampleBinding)
        #expect(try transport.authorized.map { try AnyJSON($0.body)["alg"] } == ["A256KW", "A256KW"])
    }

    @Test func usesRSAOnAManagedHSMIfTheKeyIsRSA() async throws {
        let transport = fakeAzure(resource: "https://managedhsm.azure.net") { [wrapped] request in
            try AnyJSON(request.body)["alg"] == "A256KW"
                ? .azureError(400, "BadParameter") : .azureResult(wrapped, key: "\(azureHSM)/keys/sb-wrap")
        }
        let manager = try azureKeyManager(transport, vault: azureHSM)
        for _ in 0..<2 { _ = try await manager.wrap(dataKey, for: sampleBinding) }
        #expect(
            try transport.authorized.map { try AnyJSON($0.body)["alg"] } == [
                "A256KW", "RSA-OAEP-256", "RSA-OAEP-256",
            ])
    }

    private static let errors: [(Int, String, String?, KeyManagerError.Code, String, Int)] = [
        (403, "Forbidden", "KeyDisabled", .keyUnavailable, "is disabled; enable it", 1),
        (403, "Forbidden", "KeyExpired", .keyUnavailable, "not valid at this time", 1),
        (403, "Forbidden", "KeyOperationForbidden", .keyUnavailable, "does not permit this operation", 1),
        (
            403, "Forbidden", "ForbiddenByRbac", .accessDenied,
            "Microsoft.KeyVault/vaults/keys/unwrap/action", 1
        ),
        (403, "Forbidden", "ForbiddenByPolicy", .accessDenied, "an access policy with unwrapKey", 1),
        (403, "Forbidden", "AccessDenied", .accessDenied, "lacks the permission", 1),
        (403, "Forbidden", "ForbiddenByFirewall", .accessDenied, "firewall", 1),
        (403, "Forbidden", "ForbiddenByConnection", .accessDenied, "private endpoint", 1),
        (404, "KeyNotFound", nil, .keyUnavailable, "cannot find the key", 1),
        (404, "VaultNotFound", nil, .misconfigured, "does not exist; check the vault's URL", 1),
        (400, "BadParameter", nil, .invalidCiphertext, "another key or version wrapped it", 1),
        (409, "Conflict", nil, .misconfigured, "HTTP 409 Conflict", 1),
        (429, "Throttled", nil, .throttled, "throttles", 3),
        (500, "InternalError", nil, .unavailable, "HTTP 500", 3), (503, "", nil, .unavailable, "HTTP 503", 3),
        (408, "RequestTimeout", nil, .unavailable, "HTTP 408", 3),
    ]

    @Test(arguments: errors)
    func describesErrors(
        status: Int, code: String, inner: String?, expected: KeyManagerError.Code, text: String, attempts: Int
    ) async throws {
        let transport = fakeAzure { _ in .azureError(status, code, inner: inner) }
        let manager = try azureKeyManager(transport)
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == expected)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("canary") == false)
        #expect(error?.message.contains("\n") == false)
        #expect(transport.authorized.count == attempts)
    }

    @Test func aServerThatIsNotKeyVaultIsMisconfigured() async throws {
        let manager = try azureKeyManager(fakeAzure { _ in .init(404, "<html>no such page</html>") })
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("is not Azure Key Vault") == true)
    }

    @Test func waitsAsLongAsAThrottlingVaultAsks() async throws {
        let clock = AzureTestClock()
        let isFirst = Locked(true)
        let transport = fakeAzure { _ in
            isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst
                    ? .azureError(429, "Throttled", fields: [.retryAfter: "3"]) : .azureResult()
            }
        }
        let manager = try azureKeyManager(transport, clock: clock)
        _ = try await manager.unwrap(azureRecipient, for: sampleBinding)
        #expect(clock.sleeps == [.seconds(3)])
    }

    @Test func oneInvalidWrappedKeyDoesNotAffectOthers() async throws {
        let bad = Recipient(keyID: azureKeyID, wrappedKey: Base64.encode([UInt8](repeating: 1, count: 256)))
        let transport = fakeAzure { request in
            try AnyJSON(request.body)["value"] == .string(Base64URL.encode([UInt8](repeating: 1, count: 256)))
                ? .azureError(400, "BadParameter") : .azureResult()
        }
        let manager = BatchingKeyManager(try azureKeyManager(transport))
        for index in 0..<5 {
            let error = await failure { () throws(KeyManagerError) in
                try await manager.unwrap(bad, for: sampleBinding)
            }
            #expect(error?.code == .invalidCiphertext)
            _ = try await manager.unwrap(azureRecipient, for: binding("good\(index)"))
        }
    }

    @Test func reportsTheRecoveryOfADisabledVersion() async throws {
        let isDisabled = Locked(true)
        let transport = fakeAzure { _ in
            isDisabled.withLock { $0 }
                ? .azureError(403, "Forbidden", inner: "KeyDisabled") : .azureResult()
        }
        let manager = BatchingKeyManager(try azureKeyManager(transport))
        let recoveries = Recorder<Int>()
        let upkeep = Task { await manager.maintain { recoveries.append(1) } }
        defer { upkeep.cancel() }
        let error = await failure { () throws(KeyManagerError) in
            try await manager.unwrap(azureRecipient, for: sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(recoveries.elements.isEmpty)
        isDisabled.withLock { $0 = false }
        _ = try await manager.unwrap(azureRecipient, for: sampleBinding)
        for _ in 0..<2000 where recoveries.elements.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        #expect(recoveries.elements == [1])
    }

    @Test func aControllersSelfTestPassesWithoutThePermissionToWrap() async throws {
        let transport = fakeAzure { request in
            request.path.hasSuffix("/wrapkey")
                ? .azureError(403, "Forbidden", inner: "ForbiddenByRbac") : .azureError(400, "BadParameter")
        }
        guard case .unwrapsOnly(let text) = await (try azureKeyManager(transport)).selfTest() else {
            Issue.record("another result")
            return
        }
        #expect(text.contains("unwrapKey but not wrapKey"))
        #expect(transport.authorized.last?.path == "/keys/sb-wrap/unwrapkey")
    }

    @Test func aDevelopersSelfTestShowsThatOnlyWrappingIsAllowed() async throws {
        let transport = fakeAzure { [wrapped] request in
            request.path.hasSuffix("/wrapkey")
                ? .azureResult(wrapped) : .azureError(403, "Forbidden", inner: "ForbiddenByRbac")
        }
        guard case .wrapsOnly(let error) = await (try azureKeyManager(transport)).selfTest() else {
            Issue.record("another result")
            return
        }
        #expect(error.code == .accessDenied)
    }

    @Test func aSelfTestWithoutAnyPermissionFails() async throws {
        let transport = fakeAzure { _ in .azureError(403, "Forbidden", inner: "ForbiddenByRbac") }
        guard case .failed(let error) = await (try azureKeyManager(transport)).selfTest() else {
            Issue.record("another result")
            return
        }
        #expect(error.code == .accessDenied)
    }

    @Test func resolvesTheNewestVersionByWrapping() async throws {
        let transport = fakeAzure { [wrapped] _ in .azureResult(wrapped) }
        let manager = try azureKeyManager(transport)
        try await manager.resolveKeyID()
        #expect(manager.keyID == azureKeyID)
        try await manager.resolveKeyID()
        #expect(transport.authorized.count == 1)
    }
}
