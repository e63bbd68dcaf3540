import Envelope

/// A key manager whose KMS unwraps one data key in a request.
protocol SingleUnwrapping: BatchUnwrapping {
    /// Unwraps one data key.
    ///
    /// - Parameter timeout: The time for the call, or nil for the default.
    /// - Returns: The data key, or an error that concerns this request alone.
    /// - Throws: An error that concerns all requests: the KMS did not serve.
    func unwrap(
        _ request: UnwrapRequest, timeout: Duration?
    ) async throws(KeyManagerError) -> UnwrapResult
}

extension SingleUnwrapping {
    var maximumBatch: Int { 1 }

    func unwrap(
        _ requests: [UnwrapRequest], timeout: Duration?
    ) async throws(KeyManagerError) -> [UnwrapResult] {
        var results: [UnwrapResult] = []
        for request in requests { results.append(try await unwrap(request, timeout: timeout)) }
        return results
    }
}
