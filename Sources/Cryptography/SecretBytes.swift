/// Bytes that nobody may see: a plaintext, a data key, a token. They have one owner, cannot be copied by
/// accident, printed, encoded or compared with `==`, and are zeroed when the owner lets go.
///
/// Caveats: what the kernel, TLS or a C library copied while handling them is not covered.
package struct SecretBytes: ~Copyable, @unchecked Sendable {
    private let storage: UnsafeMutableRawBufferPointer

    /// Makes `count` zero bytes and lets `body` fill them. When `body` throws, they are zeroed and freed.
    package init<Failure: Error>(
        count: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(count >= 0)
        let fresh = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        fresh.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(Failure) {
            try body(fresh)
        } catch {
            SecretMemory.release(fresh)
            throw error
        }
        storage = fresh
    }

    /// Copies `bytes`; the caller stays responsible for the original.
    package init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    package init(copying bytes: some Collection<UInt8>) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    package var count: Int { storage.count }

    /// The pointer is valid during `body` only.
    package borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(storage))
    }

    /// Compares in time that depends on the lengths alone.
    package borrowing func equals(_ other: borrowing SecretBytes) -> Bool {
        withUnsafeBytes { mine in other.withUnsafeBytes { constantTimeEquals(mine, $0) } }
    }

    deinit {
        SecretMemory.release(storage)
    }
}

/// A secret with several owners; the last one to let go zeroes it. For batches, caches and request bodies.
package final class SharedSecret: Sendable {
    package let bytes: SecretBytes

    package init(_ bytes: consuming SecretBytes) {
        self.bytes = bytes
    }

    /// Copies `bytes`; the caller stays responsible for the original.
    package convenience init(copying bytes: some Collection<UInt8>) {
        self.init(SecretBytes(copying: bytes))
    }

    package var count: Int { bytes.count }
}
