import Envelope

/// A key manager that unwraps many keys in one request.
protocol BatchUnwrapping: KeyManager {
    typealias UnwrapResult = Result<UnwrappedKey, KeyManagerError>

    /// Most keys in one request.
    var maximumBatch: Int { get }

    /// Refuses what no request need be made for.
    func validate(_ request: UnwrapRequest) throws(KeyManagerError)

    /// One result for each request, in their order.
    ///
    /// Errors: the KMS did not serve at all. What is wrong with one request is that one's result.
    ///
    /// - Parameter timeout: from the call to its end; nil: the usual one.
    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult]
}
