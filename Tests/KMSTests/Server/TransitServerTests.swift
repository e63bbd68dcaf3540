import Cryptography
import Envelope
import TestSupport
import Testing

@testable import KMS

/// The key manager with the keys of a real server.
@Suite(.enabled(if: OpenBao.isAvailable), .serialized)
struct TransitServerTests {
    @Test func unwrapsWhatItGeneratedAndWrapped() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let manager = try bao.manager()
        let generated = try await manager.generateDataKey(for: binding())
        #expect(generated.key.count == 32)
        #expect(generated.recipient.keyID == "vault-transit:transit/sb-wrap")
        #expect(generated.recipient.wrappedKey.hasPrefix("vault:v1:"))
        let unwrapped = try await manager.unwrap(generated.recipient, for: binding())
        #expect(unwrapped.key.equals(generated.key))
        #expect(unwrapped.keyVersion == "1")
        let second = try await manager.wrap(generated.key, for: binding())
        #expect(second.wrappedKey != generated.recipient.wrappedKey)
        #expect(try await manager.unwrap(second, for: binding()).key.equals(generated.key))
    }

    @Test func aDerivedKeyEnforcesTheBinding() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.makeKey("plain", isDerived: false)
        let manager = try bao.manager()
        let generated = try await manager.generateDataKey(for: binding())
        let elsewhere = try binding("db", namespace: "other")
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(generated.recipient, for: elsewhere)
        }
        #expect(error?.code == .invalidCiphertext)
        #expect(error?.message.contains("another namespace, name or scope") == true)
        let plain = try bao.manager(key: "plain")
        let unbound = try await plain.generateDataKey(for: binding())
        #expect(try await plain.unwrap(unbound.recipient, for: elsewhere).key.equals(unbound.key))
    }

    @Test func unwrapsAndRewrapsAfterARotation() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let manager = try bao.manager()
        let old = try await manager.generateDataKey(for: binding())
        try await bao.post("transit/keys/sb-wrap/rotate")
        #expect(try await manager.unwrap(old.recipient, for: binding()).key.equals(old.key))
        let new = try await manager.generateDataKey(for: binding())
        #expect(new.recipient.wrappedKey.hasPrefix("vault:v2:"))
        let moved = try await manager.rewrap(old.recipient, for: binding())
        #expect(moved.wrappedKey.hasPrefix("vault:v2:"))
        #expect(try await manager.unwrap(moved, for: binding()).key.equals(old.key))
        try await bao.post("transit/keys/sb-wrap/config", ["min_decryption_version": 2])
        let results = try await manager.unwrap(
            [
                UnwrapRequest(old.recipient, binding()), UnwrapRequest(moved, binding()),
                UnwrapRequest(new.recipient, binding()),
            ], timeout: nil)
        #expect(results.map(\.code) == [.keyUnavailable, nil, nil])
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(old.recipient, for: new.sampleBinding)
        }
        #expect(error?.code == .keyUnavailable)
        #expect(error?.message.contains("min_decryption_version") == true)
    }

    @Test func rewrapsWithoutThePermissionToDecrypt() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.makePolicy("rotator", "transit/rewrap/sb-wrap")
        let generated = try await bao.manager().generateDataKey(for: binding())
        try await bao.post("transit/keys/sb-wrap/rotate")
        let rotator = try await bao.manager(["SB_KMS_VAULT_TOKEN": bao.makeToken(policies: ["rotator"])])
        let moved = try await rotator.rewrap(generated.recipient, for: binding())
        #expect(moved.wrappedKey.hasPrefix("vault:v2:"))
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await rotator.unwrap(moved, for: generated.sampleBinding)
        }
        #expect(error?.code == .accessDenied)
        #expect(try await bao.manager().unwrap(moved, for: binding()).key.equals(generated.key))
    }

    @Test func rewrapsManyInBatches() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let manager = try bao.manager()
        var generated: [DataKey] = []
        for index in 0..<230 {
            generated.append(try await manager.generateDataKey(for: binding("s\(index)")))
        }
        try await bao.post("transit/keys/sb-wrap/rotate")
        var recipients = try generated.enumerated().map {
            BoundRecipient($1.recipient, for: try binding("s\($0)"))
        }
        recipients[5] = BoundRecipient(generated[5].recipient, for: try binding("elsewhere"))
        let results = await (manager as any KeyManager).rewrap(recipients)
        for (index, result) in results.enumerated() where index != 5 {
            #expect(try result.get().keyVersion == "2")
        }
        let last = try #require(results.last).get()
        #expect(try await manager.unwrap(last, for: recipients[229].binding).key.equals(generated[229].key))
        if case .failure(let error) = results[5] {
            #expect(error.code == .invalidCiphertext)
        } else {
            Issue.record("a recipient of another binding was rewrapped")
        }
    }

    @Test func respectsThePoliciesOfControllerAndDeveloper() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.makePolicy("controller", "transit/decrypt/sb-wrap")
        try await bao.makePolicy("developer", "transit/datakey/plaintext/sb-wrap", "transit/encrypt/sb-wrap")
        let controller = try await bao.manager(["SB_KMS_VAULT_TOKEN": bao.makeToken(policies: ["controller"])]
        )
        let developer = try await bao.manager(["SB_KMS_VAULT_TOKEN": bao.makeToken(policies: ["developer"])])
        let generated = try await developer.generateDataKey(for: binding())
        _ = try await developer.wrap(generated.key, for: binding())
        #expect(try await controller.unwrap(generated.recipient, for: binding()).key.equals(generated.key))
        let unwrapDenied = await keyManagerError { () throws(KeyManagerError) in
            try await developer.unwrap(generated.recipient, for: generated.sampleBinding)
        }
        #expect(unwrapDenied?.code == .accessDenied)
        #expect(
            unwrapDenied?.message.contains(
                #"path "transit/decrypt/sb-wrap" { capabilities = ["update"] }"#) == true)
        let wrapDenied = await keyManagerError { () throws(KeyManagerError) in
            try await controller.generateDataKey(for: generated.sampleBinding)
        }
        #expect(wrapDenied?.message.contains(#"path "transit/datakey/plaintext/sb-wrap""#) == true)

        #expect(try await bao.manager().selfTest() == .passed)
        guard case .unwrapsOnly = await controller.selfTest() else {
            Issue.record("the controller's self-test: \(await controller.selfTest())")
            return
        }
        guard case .wrapsOnly(let error) = await developer.selfTest() else {
            Issue.record("the developer's self-test: \(await developer.selfTest())")
            return
        }
        #expect(error.code == .accessDenied)
    }

    /// The policy allows any key, and none is created for a name that does not exist.
    @Test func reportsAMissingKeyMountOrNamespace() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        try await bao.post("sys/namespaces/team-a")
        func failure(_ settings: [String: String], key: String = "sb-wrap") async throws -> KeyManagerError? {
            let manager = try bao.manager(settings, key: key)
            guard case .failed(let error) = await manager.selfTest() else { return nil }
            return error
        }
        try await bao.makePolicy("any", "transit/decrypt/*", "transit/datakey/plaintext/*")
        let token = try await bao.makeToken(policies: ["any"])
        #expect(try await failure(["SB_KMS_VAULT_TOKEN": token], key: "typo")?.code == .keyUnavailable)
        #expect(try await failure(["SB_KMS_VAULT_MOUNT": "none"])?.code == .misconfigured)
        let other = try await failure(["SB_KMS_VAULT_NAMESPACE": "none"])
        #expect(other?.message.contains("namespace") == true)
        #expect(try await failure(["SB_KMS_VAULT_TOKEN": "wrong"])?.code == .accessDenied)
        #expect(try await failure(["SB_KMS_VAULT_NAMESPACE": "team-a"])?.code == .misconfigured)
    }

    @Test func supportsNamespacesAndMountsWithSlashes() async throws {
        let bao = try await OpenBao()
        try await bao.post("sys/namespaces/team-a")
        try await bao.post("sys/mounts/kms/transit", ["type": "transit"], namespace: "team-a")
        try await bao.post("kms/transit/keys/k", ["derived": true], namespace: "team-a")
        let manager = try bao.manager(
            ["SB_KMS_VAULT_NAMESPACE": "team-a/", "SB_KMS_VAULT_MOUNT": "kms/transit"], key: "k")
        #expect(manager.keyID == "vault-transit:team-a/kms/transit/k")
        #expect(await manager.selfTest() == .passed)
    }

    @Test func reportsAnExceededQuotaAsThrottled() async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let generated = try await bao.manager().generateDataKey(for: binding())
        try await bao.post(
            "sys/quotas/rate-limit/q", ["path": "transit/", "rate": 1, "interval": "60s"])
        var codes: Set<KeyManagerError.Code?> = []
        for _ in 0..<3 {
            codes.insert(
                await keyManagerError { () throws(KeyManagerError) in
                    try await bao.keyManager.unwrap(generated.recipient, for: generated.sampleBinding)
                }?.code)
        }
        #expect(codes.contains(.throttled))
    }

    /// 200 items fit into one request; OpenBao rejects 300, so that two are sent.
    @Test(arguments: [(200, 1), (300, 2)])
    func failsBadItemsAlone(size: Int, expected: Int) async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let manager = try bao.manager()
        var requests: [UnwrapRequest] = []
        var keys: [SharedSecret] = []
        for index in 0..<size {
            let binding = try binding("s\(index)")
            let key = SharedSecret(try SecretBytes.random(count: 32))
            keys.append(key)
            var recipient = try await manager.wrap(key, for: binding)
            switch index % 100 {
            case 7: recipient.wrappedKey = "vault:v1:" + Base64.encode([UInt8](repeating: 1, count: 60))
            case 8: recipient.wrappedKey = "vault:v1:AAAA"
            case 9: recipient.wrappedKey = "vault:v9:" + recipient.wrappedKey.dropFirst(9)
            default: break
            }
            requests.append(UnwrapRequest(recipient, binding))
        }
        let results = try await manager.unwrap(requests, timeout: nil)
        #expect(results.count == size)
        for (index, result) in results.enumerated() {
            switch index % 100 {
            case 7, 8: #expect(result.code == .invalidCiphertext)
            case 9: #expect(result.code == .keyUnavailable)
            default: #expect(result.key?.equals(keys[index]) == true)
            }
        }
        let count = try bao.requests("transit/decrypt/sb-wrap")
        #expect(count == expected)
    }
}

extension DataKey {
    /// The binding of the keys in these tests.
    var sampleBinding: Binding {
        get throws(KeyManagerError) {
            do {
                return try binding()
            } catch {
                throw KeyManagerError(.misconfigured, keyID: recipient.keyID, message: "\(error)")
            }
        }
    }
}

extension OpenBao {
    var keyManager: TransitKeyManager {
        get throws(KeyManagerError) {
            do {
                return try manager()
            } catch {
                throw KeyManagerError(.misconfigured, keyID: "", message: "\(error)")
            }
        }
    }
}
