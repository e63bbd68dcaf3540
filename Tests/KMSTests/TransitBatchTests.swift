import Cryptography
import Envelope
import TestSupport
import Testing

@testable import KMS

/// Batches with bad items and incomplete responses.
struct TransitBatchTests {
    /// Responds as the transit engine, with the context as plaintext.
    ///
    /// - Parameters:
    ///   - poison: Contexts for which the whole batch is rejected.
    ///   - silentAbout: Contexts whose items get no result.
    private func vault(
        poison: Set<String> = [], text: String = "something new", silentAbout: Set<String> = []
    ) -> FakeTransport {
        FakeTransport { request in
            let body = try AnyJSON(request.body)
            guard let items = body["batch_input"]?.items else {
                let context = body["context"]?.string ?? ""
                if poison.contains(context) { return .init(400, #"{"errors":["\#(text)"]}"#) }
                return .init(200, #"{"data":{"plaintext":"\#(context)"}}"#)
            }
            let contexts = items.compactMap { $0["context"]?.string }
            if contexts.contains(where: { poison.contains($0) }) {
                return .init(400, #"{"errors":["\#(text)"]}"#)
            }
            let results = contexts.map {
                silentAbout.contains($0) ? #"{"reference":""}"# : #"{"plaintext":"\#($0)"}"#
            }
            return .init(200, #"{"data":{"batch_results":[\#(results.joined(separator: ","))]}}"#)
        }
    }

    private func requests(_ count: Int) throws -> [UnwrapRequest] {
        try (0..<count).map { UnwrapRequest(sampleRecipient, try binding("s\($0)")) }
    }

    private func context(_ index: Int) throws -> String { Base64.encode(try binding("s\(index)").bytes) }

    private func check(_ results: [Result<UnwrappedKey, KeyManagerError>], bad: [Int]) throws {
        for (index, result) in results.enumerated() {
            if bad.contains(index) {
                #expect(result.code == .misconfigured)
            } else {
                let expected = try binding("s\(index)").bytes
                #expect(result.key?.bytes.withUnsafeBytes { Array($0) } == expected)
            }
        }
    }

    @Test func halvesARejectedBatchUntilTheBadItemIsAlone() async throws {
        let transport = vault(poison: [try context(37)])
        let results = try await transitKeyManager(transport).unwrap(requests(200), timeout: nil)
        #expect(results.count == 200)
        try check(results, bad: [37])
        #expect(transport.requests.count <= 18)
    }

    @Test func repeatsAnItemWithoutAResultInARequestOfItsOwn() async throws {
        let transport = vault(silentAbout: [try context(3)])
        try check(try await transitKeyManager(transport).unwrap(requests(9), timeout: nil), bad: [])
        #expect(transport.requests.count == 2)
    }

    @Test func halvesABatchWithTooFewResults() async throws {
        let transport = FakeTransport { request in
            guard request.text.contains("batch_input") else {
                return .init(200, #"{"data":{"plaintext":"QUJD"}}"#)
            }
            return .init(200, #"{"data":{"batch_results":[{"plaintext":"QUJD"}]}}"#)
        }
        let results = try await transitKeyManager(transport).unwrap(requests(4), timeout: nil)
        #expect(results.count == 4)
        #expect(results.allSatisfy { $0.key != nil })
    }

    /// The failure concerns all items.
    @Test(arguments: [
        (400, "encryption key not found", KeyManagerError.Code.keyUnavailable),
        (403, "permission denied", .accessDenied),
        (503, "Vault is sealed", .unavailable), (404, "no handler for route", .misconfigured),
    ])
    func failsTheWholeBatchInOneRequest(status: Int, text: String, code: KeyManagerError.Code) async throws {
        let transport = FakeTransport { _ in .init(status, #"{"errors":["\#(text)"]}"#) }
        let manager = try transitKeyManager(transport)
        let all = try requests(50)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(all, timeout: nil)
        }
        #expect(error?.code == code)
        #expect(transport.requests.count == 1)
    }

    @Test func rewrapsInBatchesAndFailsBadItemsAlone() async throws {
        let bad = try context(3)
        let transport = FakeTransport { request in
            let items = try AnyJSON(request.body)["batch_input"]?.items ?? []
            let results = items.map { item in
                item["context"]?.string == bad
                    ? #"{"error":"cipher: message authentication failed"}"#
                    : #"{"ciphertext":"vault:v2:QUJD"}"#
            }
            return .init(200, #"{"data":{"batch_results":[\#(results.joined(separator: ","))]}}"#)
        }
        var recipients = try (0..<450).map { BoundRecipient(sampleRecipient, for: try binding("s\($0)")) }
        recipients[7] = BoundRecipient(
            Recipient(keyID: sampleRecipient.keyID, wrappedKey: "vault:v1"), for: recipients[7].binding)
        let results = await (try transitKeyManager(transport) as any KeyManager).rewrap(recipients)
        #expect(results.count == 450)
        for (index, result) in results.enumerated() {
            switch result {
            case .success(let moved):
                #expect(moved == Recipient(keyID: sampleRecipient.keyID, wrappedKey: "vault:v2:QUJD"))
                #expect(moved.keyVersion == "2")
            case .failure(let error):
                #expect(index == 3 || index == 7)
                #expect(error.code == .invalidCiphertext)
            }
        }
        #expect(
            transport.requests.map { $0.path } == [String](repeating: "/v1/transit/rewrap/sb-wrap", count: 3))
    }
}
