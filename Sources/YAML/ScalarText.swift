import Cryptography

/// The text of one scalar, in memory that the scalars of a file share: a large document has millions of them, and an
/// allocation for each would take several times the memory of the file. The memory is zeroed when the last scalar in it is
/// released.
package struct ScalarText: Sendable {
    private let chunk: ScalarArena.Chunk
    private let offset: UInt32
    private let length: UInt32

    fileprivate init(_ chunk: ScalarArena.Chunk, offset: Int, count: Int) {
        self.chunk = chunk
        self.offset = UInt32(truncatingIfNeeded: offset)
        length = UInt32(truncatingIfNeeded: count)
    }

    /// Copies `bytes` to memory of their own; the caller stays responsible for the original.
    init(copying bytes: UnsafeRawBufferPointer) {
        var memory = ScalarArena(chunkSize: bytes.count)
        self = memory.store(bytes)
    }

    package var count: Int { Int(length) }

    /// The pointer is valid during `body` only.
    package func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(chunk) {} }
        let start = Int(offset)
        return try body(UnsafeRawBufferPointer(rebasing: chunk.memory[start..<start + count]))
    }

    /// Compares in time that depends on the lengths alone.
    package func equals(_ other: ScalarText) -> Bool {
        withUnsafeBytes { mine in other.withUnsafeBytes { constantTimeEquals(mine, $0) } }
    }
}

/// Gives out the memory of scalars, from one chunk until that is full.
struct ScalarArena {
    /// Each byte is written once, before a `ScalarText` refers to it, and is only read afterwards: it may be shared between
    /// threads.
    fileprivate final class Chunk: @unchecked Sendable {
        let memory: UnsafeMutableRawBufferPointer

        init(capacity: Int) {
            memory = .allocate(byteCount: max(capacity, 1), alignment: 1)
            // What is released is zeroed as a whole, and tests read it.
            memory.initializeMemory(as: UInt8.self, repeating: 0)
        }

        deinit { SecretMemory.release(memory) }
    }

    private var chunk: Chunk
    private var used = 0

    static let maximumChunkSize = 64 << 10

    init(chunkSize: Int) {
        chunk = Chunk(capacity: min(chunkSize, Self.maximumChunkSize))
    }

    /// Copies `bytes`; the caller stays responsible for the original.
    mutating func store(_ bytes: UnsafeRawBufferPointer) -> ScalarText {
        if bytes.count > chunk.memory.count - used {
            let isLarge = bytes.count > Self.maximumChunkSize / 4
            let fresh = Chunk(capacity: isLarge ? bytes.count : Self.maximumChunkSize)
            fresh.memory.copyMemory(from: bytes)
            if !isLarge {
                chunk = fresh
                used = bytes.count
            }
            return ScalarText(fresh, offset: 0, count: bytes.count)
        }
        let start = used
        used += bytes.count
        UnsafeMutableRawBufferPointer(rebasing: chunk.memory[start..<used]).copyMemory(from: bytes)
        return ScalarText(chunk, offset: start, count: bytes.count)
    }
}
