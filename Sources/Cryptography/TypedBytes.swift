extension [UInt8] {
    /// `withUnsafeBytes` that keeps the error's type and may return what cannot be copied.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try span.withUnsafeBytes(body)
    }

    /// `withUnsafeMutableBytes` that keeps the error's type.
    mutating func withMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var span = mutableSpan
        return try span.withUnsafeMutableBytes(body)
    }
}
