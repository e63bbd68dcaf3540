import Envelope
import Primitives
import YAML

extension TransitKeyManager: BatchUnwrapping {
    /// OpenBao refuses bodies of more than 1,000 JSON strings, and an item has four.
    var maximumBatch: Int { 200 }

    func check(_ request: UnwrapRequest) throws(KeyManagerError) {
        _ = try check(request.recipient)
    }

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        guard requests.count > 1 else { return try await unwrapSingly(requests, timeout) }
        var call = call(
            "decrypt",
            [
                "batch_input": .sequence(
                    requests.map {
                        ["ciphertext": .string($0.recipient.wrappedKey), "context": context($0.binding)]
                    })
            ])
        if let timeout { call.timeout = timeout }
        call.purpose?.items = requests.count
        let answer = try await exchange(call)
        // A batch with a bad item is answered with 400 and all its results.
        if let results = answer.data?["batch_results"]?.elements, results.count == requests.count {
            return try await complete(zip(requests, results).map { ($0, result($1, for: $0, call)) }, timeout)
        }
        if !(200..<300 ~= answer.status) {
            let error = failure(answer, call)
            guard error.mayBeOfOneItem else { throw KeyManagerError(error, keyID: keyID) }
        }
        // One item spoils the batch, and nothing says which: smaller batches tell.
        let middle = requests.count / 2
        let left = try await unwrap(Array(requests[..<middle]), timeout: timeout)
        return left + (try await unwrap(Array(requests[middle...]), timeout: timeout))
    }

    private func unwrapSingly(
        _ requests: [UnwrapRequest], _ timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        var results: [UnwrapResult] = []
        for request in requests { results.append(try await unwrapAlone(request, timeout)) }
        return results
    }

    /// Errors: as of a batch. What is wrong with the request itself is its result.
    private func unwrapAlone(
        _ request: UnwrapRequest, _ timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult {
        var call = decryption(of: request.recipient, request.binding)
        if let timeout { call.timeout = timeout }
        let answer = try await exchange(call)
        if 200..<300 ~= answer.status { return unwrapped(answer.data, request) }
        let error = failure(answer, call)
        guard error.mayBeOfOneItem else { throw KeyManagerError(error, keyID: keyID) }
        return .failure(KeyManagerError(error, keyID: keyID))
    }

    /// nil: the item has neither a plaintext nor an error.
    private func result(_ item: Node, for request: UnwrapRequest, _ call: VaultCall) -> UnwrapResult? {
        if let error = item["error"]?.string, !error.isEmpty {
            return .failure(KeyManagerError(refusal(item, call), keyID: keyID))
        }
        return item["plaintext"]?.secret == nil ? nil : unwrapped(item, request)
    }

    /// Asks singly for what a batch left without a result.
    private func complete(
        _ results: [(UnwrapRequest, UnwrapResult?)], _ timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        var complete: [UnwrapResult] = []
        for (request, result) in results {
            if let result {
                complete.append(result)
            } else {
                complete.append(try await unwrapAlone(request, timeout))
            }
        }
        return complete
    }

    private func unwrapped(_ data: Node?, _ request: UnwrapRequest) -> UnwrapResult {
        do throws(KeyManagerError) {
            return .success(
                UnwrappedKey(key: try dataKey(in: data), version: try check(request.recipient).version))
        } catch {
            return .failure(error)
        }
    }
}

extension VaultError {
    /// Whether a batch may be refused for it because of a single item. What is unknown counts: one tenant's row
    /// must not stop the others'.
    fileprivate var mayBeOfOneItem: Bool {
        switch code {
        case .refused(.notAuthentic), .refused(.malformedCiphertext), .refused(.versionTooOld),
            .refused(.versionTooNew), .refused(.tooLarge), .refused(.unknown):
            true
        default: false
        }
    }
}
