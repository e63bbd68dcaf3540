/// What a request to a KMS is for.
package enum KeyManagerOperation: String, Sendable, CaseIterable {
    case generateDataKey = "generate_data_key"
    case wrap
    case unwrap
    case rewrap
}

/// Is told of every request that a key manager makes of its KMS. Called on the way of the request: it must not
/// wait. Safe to call from any task.
package protocol KeyManagerObserver: Sendable {
    func requestCompleted(_ request: KeyManagerRequest.Completed)
}

/// One request to a KMS that is under way: a batch is one, with several items. A backend makes one where it
/// sends and says `ended` once.
package struct KeyManagerRequest: Sendable {
    package struct Completed: Sendable {
        /// By the first part of the key id.
        package let backend: String
        package let operation: KeyManagerOperation
        package let items: Int
        package let duration: Duration
        /// One for a request that failed as a whole, else one for each item that was refused.
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

    /// Runs `body` as the request.
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

    /// `SB_KMS_BACKEND`'s name for the backend of a key: what its key ids begin with, but for AWS's ARNs.
    package static func backend(ofKeyID keyID: String) -> String {
        let prefix = keyID.prefix { $0 != ":" }
        return prefix == "arn" ? "aws-kms" : String(prefix)
    }
}
