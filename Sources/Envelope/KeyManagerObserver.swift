/// The operation of a KMS request. The raw value is a metric label.
package enum KeyManagerOperation: String, Sendable, CaseIterable {
    case generateDataKey = "generate_data_key"
    case wrap
    case unwrap
    case rewrap
}

/// Gets every request that a key manager sends to its KMS. It is called in the path of the request and must not block. Safe
/// to call from any task.
package protocol KeyManagerObserver: Sendable {
    func requestCompleted(_ request: KeyManagerRequest.Completed)
}

/// Measures one request to a KMS, which may be a batch of several items. A backend creates it where it sends the request, and
/// calls `complete` once.
package struct KeyManagerRequest: Sendable {
    package struct Completed: Sendable {
        /// The first part of the key id.
        package let backend: String
        package let operation: KeyManagerOperation
        package let items: Int
        package let duration: Duration
        /// One code if the request failed as a whole, else one for each rejected item.
        package let failures: [KeyManagerError.Code]
    }

    private let operation: KeyManagerOperation
    private let keyID: String
    private let items: Int
    private let start = ContinuousClock.now
    private let observer: (any KeyManagerObserver)?

    package init(
        _ operation: KeyManagerOperation, keyID: String, items: Int = 1,
        observer: (any KeyManagerObserver)?
    ) {
        self.operation = operation
        self.keyID = keyID
        self.items = items
        self.observer = observer
    }

    package func complete(_ failures: [KeyManagerError.Code] = []) {
        observer?.requestCompleted(
            Completed(
                backend: Self.backend(ofKeyID: keyID), operation: operation, items: items,
                duration: ContinuousClock.now - start, failures: failures))
    }

    /// Measures `body` as the request.
    package func measure<Value>(
        _ body: () async throws(KeyManagerError) -> Value
    ) async throws(KeyManagerError) -> Value {
        do {
            let value = try await body()
            complete()
            return value
        } catch {
            complete([error.code])
            throw error
        }
    }

    /// Returns the backend of a key, as `SB_KMS_BACKEND` names it: the prefix of its key ids, except for the ARNs of AWS.
    package static func backend(ofKeyID keyID: String) -> String {
        let prefix = keyID.prefix { $0 != ":" }
        return prefix == "arn" ? "aws-kms" : String(prefix)
    }
}
