import Envelope
import System
import YAML

extension TransitKeyManager: BatchUnwrapping {
    /// OpenBao refuses bodies of more than 1,000 JSON strings, and an item has four.
    var maximumBatch: Int { 200 }

    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        _ = try parseCiphertext(request.recipient)
    }

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        try await TransitBatch(manager: self, operation: "decrypt", timeout: timeout, parseItem: unwrapped)
            .send(requests)
    }

    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        let batch = TransitBatch(manager: self, operation: "rewrap", timeout: nil, parseItem: rewrapped)
        let requests = recipients.map { UnwrapRequest($0.recipient, $0.binding) }
        var results: [Result<Recipient, KeyManagerError>] = []
        for start in stride(from: 0, to: requests.count, by: maximumBatch) {
            results += await checked(requests[start..<min(start + maximumBatch, requests.count)], batch)
        }
        return results
    }

    /// What is no ciphertext of Vault's is not sent.
    private func checked(
        _ requests: ArraySlice<UnwrapRequest>, _ batch: TransitBatch<Recipient>
    ) async -> [Result<Recipient, KeyManagerError>] {
        let refusals = requests.map { request in
            do throws(KeyManagerError) {
                try validate(request)
                return nil as KeyManagerError?
            } catch {
                return error
            }
        }
        let sent = zip(requests, refusals).filter { $0.1 == nil }.map(\.0)
        var answers: ArraySlice<Result<Recipient, KeyManagerError>>
        do throws(KeyManagerError) {
            answers = try await batch.send(sent)[...]
        } catch {
            answers = sent.map { _ in .failure(error) }[...]
        }
        return refusals.map { refusal in
            refusal.map { .failure($0) } ?? answers.popFirst()
                ?? .failure(malformedResponse("too few results"))
        }
    }

    private func unwrapped(
        _ data: YAMLNode?, _ request: UnwrapRequest
    ) throws(KeyManagerError) -> UnwrappedKey {
        UnwrappedKey(key: try dataKey(in: data), version: try parseCiphertext(request.recipient).version)
    }

    private func rewrapped(_ data: YAMLNode?, _ request: UnwrapRequest) throws(KeyManagerError) -> Recipient {
        try recipient(in: data)
    }
}
