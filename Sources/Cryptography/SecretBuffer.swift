/// A growing secret: a response body as it arrives, a manifest as it is written. Each time it outgrows its
/// memory, the old memory is zeroed. `finish()` turns it into `SecretBytes`.
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
