import Envelope
import YAML

/// An operation of the transit engine on wrapped keys, many in one request.
struct TransitBatch<Value: Sendable>: Sendable {
    typealias ItemResult = Result<Value, KeyManagerError>

    let manager: TransitKeyManager
    /// `decrypt` or `rewrap`: an item of both is a ciphertext and a context.
    let operation: String
    /// From a call to its end; nil: the usual one.
    let timeout: Duration?
    /// Reads what a successful item holds.
    let parseItem: @Sendable (YAMLNode?, UnwrapRequest) throws(KeyManagerError) -> Value

    /// One result for each request, in their order; at most `maximumBatch`.
    ///
    /// Errors: Vault did not serve at all. What is wrong with one request is that one's result.
    func send(_ requests: [UnwrapRequest]) async throws(KeyManagerError) -> [ItemResult] {
        guard requests.count > 1 else { return try await sendSingly(requests) }
        let call = call(["batch_input": .array(requests.map(item))], items: requests.count)
        let answer = try await manager.send(call)
        // A batch with a bad item is answered with 400 and all its results; one to rewrap, with 200.
        if let results = answer.data?["batch_results"]?.elements, results.count == requests.count {
            return try await complete(zip(requests, results).map { ($0, result($1, for: $0, call)) })
        }
        if !(200..<300 ~= answer.status) {
            let error = manager.error(answer, call)
            guard error.mayBeOfOneItem else { throw KeyManagerError(error, keyID: manager.keyID) }
        }
        // One item spoils the batch, and nothing says which: smaller batches tell.
        let middle = requests.count / 2
        let left = try await send(Array(requests[..<middle]))
        return left + (try await send(Array(requests[middle...])))
    }

    private func sendSingly(_ requests: [UnwrapRequest]) async throws(KeyManagerError) -> [ItemResult] {
        var results: [ItemResult] = []
        for request in requests { results.append(try await sendAlone(request)) }
        return results
    }

    /// Errors: as of a batch. What is wrong with the request itself is its result.
    private func sendAlone(_ request: UnwrapRequest) async throws(KeyManagerError) -> ItemResult {
        let call = call(item(request), items: 1)
        let answer = try await manager.send(call)
        if 200..<300 ~= answer.status { return read(answer.data, request) }
        let error = manager.error(answer, call)
        guard error.mayBeOfOneItem else { throw KeyManagerError(error, keyID: manager.keyID) }
        return .failure(KeyManagerError(error, keyID: manager.keyID))
    }

    private func call(_ body: JSONValue, items: Int) -> VaultRequest {
        var call = manager.request(operation, body)
        if let timeout { call.timeout = timeout }
        call.keyOperation?.items = items
        return call
    }

    private func item(_ request: UnwrapRequest) -> JSONValue {
        [
            "ciphertext": .string(request.recipient.wrappedKey),
            "context": manager.context(request.binding),
        ]
    }

    /// nil: the item has neither a result nor an error.
    private func result(_ item: YAMLNode, for request: UnwrapRequest, _ call: VaultRequest) -> ItemResult? {
        if let error = item["error"]?.string, !error.isEmpty {
            return .failure(KeyManagerError(manager.itemError(item, call), keyID: manager.keyID))
        }
        let hasResult = item["plaintext"]?.nonEmptySecret != nil || item["ciphertext"]?.nonEmptySecret != nil
        return hasResult ? read(item, request) : nil
    }

    /// Asks singly for what a batch left without a result.
    private func complete(
        _ results: [(UnwrapRequest, ItemResult?)]
    ) async throws(KeyManagerError) -> [ItemResult] {
        var complete: [ItemResult] = []
        for (request, result) in results {
            if let result {
                complete.append(result)
            } else {
                complete.append(try await sendAlone(request))
            }
        }
        return complete
    }

    private func read(_ data: YAMLNode?, _ request: UnwrapRequest) -> ItemResult {
        do throws(KeyManagerError) {
            return .success(try parseItem(data, request))
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
        case .rejected(.notAuthentic), .rejected(.malformedCiphertext), .rejected(.versionTooOld),
            .rejected(.versionTooNew), .rejected(.tooLarge), .rejected(.unknown):
            true
        default: false
        }
    }
}
