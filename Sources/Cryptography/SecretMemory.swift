import Glibc

/// Zeroes and frees memory that held a secret. All such memory is freed here.
package enum SecretMemory {
    /// Receives the memory after it was zeroed and while it is still allocated, so that a test can check the zeroes
    /// without reading freed memory. Task-local: tests that run side by side do not receive each other's.
    @TaskLocal package static var onRelease: (@Sendable (UnsafeRawBufferPointer) -> Void)?

    package static func release(_ memory: UnsafeMutableRawBufferPointer) {
        // Unlike memset(3), explicit_bzero(3) is not optimised away.
        if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
        onRelease?(UnsafeRawBufferPointer(memory))
        memory.deallocate()
    }
}

/// Secret bytes: a plaintext, a data key, a token. They have one owner, cannot be copied by accident, printed, encoded
/// or compared with `==`, and are zeroed when the owner releases them.
///
/// Not covered: copies that the kernel, TLS or a C library makes while handling them.
package struct SecretBytes: ~Copyable, @unchecked Sendable {
    private let storage: UnsafeMutableRawBufferPointer

    /// Allocates `count` zero bytes and lets `body` fill them. If `body` throws, they are zeroed and freed.
    package init<Failure: Error>(
        count: Int, initializingWith body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(count >= 0)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        do throws(Failure) {
            try body(memory)
        } catch {
            SecretMemory.release(memory)
            throw error
        }
        storage = memory
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
        withUnsafeBytes { bytes in other.withUnsafeBytes { constantTimeEquals(bytes, $0) } }
    }

    /// Returns the non-empty parts between the separators.
    package borrowing func split(separator: UInt8) -> [SharedSecret] {
        withUnsafeBytes { bytes in
            bytes.split(separator: separator).map {
                SharedSecret(SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0)))
            }
        }
    }

    deinit {
        SecretMemory.release(storage)
    }
}

/// A secret with several owners, for batches, caches and request bodies. It is zeroed when the last owner releases it.
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

/// A secret that grows: a response body as it arrives, a manifest as it is written. Memory that it outgrows is zeroed.
/// `finish()` turns it into `SecretBytes`.
package struct SecretBuffer: ~Copyable, @unchecked Sendable {
    private var storage: UnsafeMutableRawBufferPointer
    package private(set) var count = 0

    package init(capacity: Int = 256) {
        storage = .allocate(byteCount: max(capacity, 16), alignment: 1)
    }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        reserve(bytes.count)
        UnsafeMutableRawBufferPointer(rebasing: storage[count..<count + bytes.count]).copyMemory(from: bytes)
        count += bytes.count
    }

    package mutating func append(_ byte: UInt8) {
        reserve(1)
        storage[count] = byte
        count += 1
    }

    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    package mutating func append(_ secret: borrowing SecretBytes) {
        secret.withUnsafeBytes { append($0) }
    }

    /// Appends the standard, padded base64 of `bytes`, without an intermediate copy.
    package mutating func appendBase64(_ bytes: UnsafeRawBufferPointer) {
        let length = Base64.encodedCount(bytes.count)
        reserve(length)
        Base64.encode(bytes, into: UnsafeMutableRawBufferPointer(rebasing: storage[count..<count + length]))
        count += length
    }

    /// Removes the last bytes, and zeroes them.
    package mutating func removeLast(_ length: Int) {
        for _ in 0..<min(max(length, 0), count) {
            count -= 1
            storage[count] = 0
        }
    }

    package borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: storage[..<count]))
    }

    package consuming func finish() -> SecretBytes {
        withUnsafeBytes { SecretBytes(copying: $0) }
    }

    private mutating func reserve(_ more: Int) {
        guard count + more > storage.count else { return }
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count + more, storage.count * 2), alignment: 1)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<count]))
        SecretMemory.release(storage)
        storage = larger
    }

    deinit {
        SecretMemory.release(storage)
    }
}
