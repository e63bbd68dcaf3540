import Envelope
import JSON

extension TransitKeyManager: BatchUnwrapping {
    /// OpenBao rejects bodies of more than 1,000 JSON strings, and an item has four.
    var maximumBatch: Int { 200 }

    func validate(_ request: UnwrapRequest) throws(KeyManagerError) {
        _ = try parseCiphertext(request.recipient)
    }

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        let batch = TransitBatch(manager: self, operation: "decrypt", timeout: timeout) {
            data, request throws(KeyManagerError) in
            UnwrappedKey(
                key: try dataKey(in: data), keyVersion: try parseCiphertext(request.recipient).version)
        }
        return try await batch.send(requests)
    }

    func rewrap(_ recipients: [BoundRecipient]) async -> [Result<Recipient, KeyManagerError>] {
        let batch = TransitBatch(manager: self, operation: "rewrap", timeout: nil) {
            data, _ throws(KeyManagerError) in try recipient(in: data)
        }
        let requests = recipients.map { UnwrapRequest($0.recipient, $0.binding) }
        var results: [Result<Recipient, KeyManagerError>] = []
        for start in stride(from: 0, to: requests.count, by: maximumBatch) {
            let end = min(start + maximumBatch, requests.count)
            results += await rewrap(requests[start..<end], batch)
        }
        return results
    }

    /// Rejects invalid ciphertexts, and sends the others in one request.
    private func rewrap(
        _ requests: ArraySlice<UnwrapRequest>, _ batch: TransitBatch<Recipient>
    ) async -> [Result<Recipient, KeyManagerError>] {
        let rejections = requests.map { request in
            do throws(KeyManagerError) {
                try validate(request)
                return nil as KeyManagerError?
            } catch {
                return error
            }
        }
        let sent = zip(requests, rejections).filter { $0.1 == nil }.map(\.0)
        var results: ArraySlice<Result<Recipient, KeyManagerError>>
        do throws(KeyManagerError) {
            results = try await batch.send(sent)[...]
        } catch {
            results = sent.map { _ in .failure(error) }[...]
        }
        return rejections.map { rejection in
            rejection.map { .failure($0) } ?? results.popFirst()
                ?? .failure(malformedResponse("too few results"))
        }
    }
}

/// An operation of the transit engine on many wrapped keys in one request.
struct TransitBatch<Value: Sendable>: Sendable {
    typealias ItemResult = Result<Value, KeyManagerError>

    let manager: TransitKeyManager
    /// `decrypt` or `rewrap`, whose items have a ciphertext and a context.
    let operation: String
    /// The time for one request, or nil for the default.
    let timeout: Duration?
    /// Reads the result of a successful item.
    let parseItem: @Sendable (JSONValue?, UnwrapRequest) throws(KeyManagerError) -> Value

    /// Sends at most `maximumBatch` requests.
    ///
    /// - Returns: One result for each request, in their order.
    /// - Throws: An error that concerns all requests: Vault did not serve.
    func send(_ requests: [UnwrapRequest]) async throws(KeyManagerError) -> [ItemResult] {
        guard requests.count > 1 else { return try await sendSeparately(requests) }
        let request = vaultRequest(["batch_input": .array(requests.map(item))], items: requests.count)
        let response = try await manager.send(request)
        // Vault responds to a batch with a bad item with status 400 and all results, for `rewrap` with 200.
        if let results = response.data?["batch_results"]?.elements, results.count == requests.count {
            return try await complete(zip(requests, results).map { ($0, result($1, for: $0, request)) })
        }
        if !response.isSuccess {
            let error = manager.error(response, request)
            guard error.canConcernOneItem else { throw KeyManagerError(error, keyID: manager.keyID) }
        }
        // One item makes Vault reject the batch, and the response does not say which one: halve the batch.
        let middle = requests.count / 2
        let left = try await send(Array(requests[..<middle]))
        return left + (try await send(Array(requests[middle...])))
    }

    private func sendSeparately(_ requests: [UnwrapRequest]) async throws(KeyManagerError) -> [ItemResult] {
        var results: [ItemResult] = []
        for request in requests { results.append(try await sendAlone(request)) }
        return results
    }

    private func sendAlone(_ request: UnwrapRequest) async throws(KeyManagerError) -> ItemResult {
        let vaultRequest = vaultRequest(item(request), items: 1)
        let response = try await manager.send(vaultRequest)
        if response.isSuccess { return parse(response.data, request) }
        let error = manager.error(response, vaultRequest)
        guard error.canConcernOneItem else { throw KeyManagerError(error, keyID: manager.keyID) }
        return .failure(KeyManagerError(error, keyID: manager.keyID))
    }

    private func vaultRequest(_ body: JSONValue, items: Int) -> VaultRequest {
        var request = manager.request(operation, body)
        if let timeout { request.timeout = timeout }
        request.keyOperation?.items = items
        return request
    }

    private func item(_ request: UnwrapRequest) -> JSONValue {
        [
            "ciphertext": .string(request.recipient.wrappedKey),
            "context": manager.context(request.binding),
        ]
    }

    /// Returns nil if the item has neither a result nor an error.
    private func result(
        _ item: JSONValue, for request: UnwrapRequest, _ vaultRequest: VaultRequest
    ) -> ItemResult? {
        if let error = item["error"]?.string, !error.isEmpty {
            return .failure(KeyManagerError(manager.itemError(item, vaultRequest), keyID: manager.keyID))
        }
        let hasResult = item["plaintext"]?.nonEmptySecret != nil || item["ciphertext"]?.nonEmptySecret != nil
        return hasResult ? parse(item, request) : nil
    }

    /// Repeats the items without a result, each in a request of its own.
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

    private func parse(_ data: JSONValue?, _ request: UnwrapRequest) -> ItemResult {
        do throws(KeyManagerError) {
            return .success(try parseItem(data, request))
        } catch {
            return .failure(error)
        }
    }
}

extension VaultError {
    /// True if a single item can cause this error of a batch. That includes unknown reasons: the WrappedSecret of one tenant
    /// must not block those of others.
    fileprivate var canConcernOneItem: Bool {
        switch code {
        case .rejected(.notAuthentic), .rejected(.malformedCiphertext), .rejected(.versionTooOld),
            .rejected(.versionTooNew), .rejected(.tooLarge), .rejected(.unknown):
            true
        default: false
        }
    }
}
