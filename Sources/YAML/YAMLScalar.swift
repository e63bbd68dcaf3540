package import Cryptography

/// A scalar value. Its bytes are in secret memory, because any scalar may be a secret.
package struct YAMLScalar: Sendable {
    /// The notation in the file.
    package enum Style: Sendable { case plain, singleQuoted, doubleQuoted, literal, folded }

    /// The type that kubectl reads: YAML 1.1 as go-yaml resolves it, so that `yes` is a boolean and `012` is ten.
    package enum ValueType: Sendable, Equatable { case null, bool, int, float, string }

    /// A reference, because few scalars have a tag and a `String` would take 16 bytes in each.
    private final class TagName: Sendable {
        let name: String

        init(_ name: String) { self.name = name }
    }

    /// The text as UTF-8, with escapes and `!!binary` decoded.
    package let text: ScalarText
    private let tagName: TagName?
    package let style: Style
    package let valueType: ValueType

    package init(text: ScalarText, style: Style, type: ValueType, tag: String? = nil) {
        self.text = text
        self.style = style
        self.valueType = type
        tagName = tag.map { TagName($0) }
    }

    /// The tag in full (`tag:yaml.org,2002:str`), or nil if the scalar has none.
    package var tag: String? { tagName?.name }

    /// A copy of the text in memory of its own, so that it does not keep the memory of other scalars.
    package var bytes: SharedSecret {
        text.withUnsafeBytes { SharedSecret(SecretBytes(copying: $0)) }
    }

    /// The text of a string. Copies it to ordinary memory: only for what is known not to be secret.
    package var string: String? {
        valueType == .string ? text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } : nil
    }

    package var bool: Bool? {
        guard valueType == .bool else { return nil }
        // The words are y, yes, true, on and n, no, false, off: two letters are enough.
        return text.withUnsafeBytes { text in
            let first = text[0] | 0x20
            if first == UInt8(ascii: "o") { return text[1] | 0x20 == UInt8(ascii: "n") }
            return first == UInt8(ascii: "y") || first == UInt8(ascii: "t")
        }
    }

    package var int: Int? {
        guard valueType == .int else { return nil }
        return text.withUnsafeBytes { PlainScalar.integer($0) }.flatMap { Int(exactly: $0) }
    }
}

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

    /// Copies `bytes` to an arena of their own; the caller stays responsible for the original.
    init(copying bytes: UnsafeRawBufferPointer) {
        var arena = ScalarArena(chunkSize: bytes.count)
        self = arena.store(bytes)
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
        withUnsafeBytes { bytes in other.withUnsafeBytes { constantTimeEquals(bytes, $0) } }
    }
}

/// Allocates the memory of scalars in chunks.
struct ScalarArena {
    /// Thread safety: each byte is written once, before a `ScalarText` refers to it, and is only read afterwards.
    fileprivate final class Chunk: @unchecked Sendable {
        let memory: UnsafeMutableRawBufferPointer

        init(capacity: Int) {
            memory = .allocate(byteCount: max(capacity, 1), alignment: 1)
            // Tests read the released memory as a whole.
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
            let new = Chunk(capacity: isLarge ? bytes.count : Self.maximumChunkSize)
            new.memory.copyMemory(from: bytes)
            if !isLarge {
                chunk = new
                used = bytes.count
            }
            return ScalarText(new, offset: 0, count: bytes.count)
        }
        let start = used
        used += bytes.count
        UnsafeMutableRawBufferPointer(rebasing: chunk.memory[start..<used]).copyMemory(from: bytes)
        return ScalarText(chunk, offset: start, count: bytes.count)
    }
}
