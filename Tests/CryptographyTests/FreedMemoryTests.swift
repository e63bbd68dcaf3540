import COpenSSL
import Glibc
import Testing

/// The memory that libcrypto and libssl free, in every process that is linked with this module.
///
/// glibc gives the block that a thread freed last to its next allocation of the same size, with its bytes as they were after
/// the first 16, in which it keeps its list. The allocators of sanitizers give other blocks.
@Suite(.enabled(if: dlsym(nil, "__sanitizer_get_allocated_size") == nil, "needs the allocator of glibc"))
struct FreedMemoryTests {
    private let size = 64

    private func filledBlock() throws -> UnsafeMutableRawPointer {
        let block = try #require(CRYPTO_malloc(size, nil, 0))
        memset(block, 0xA5, size)
        return block
    }

    /// Returns what an allocation of the size has in it, or nil if it is not the block at the address.
    private func rest(ofBlockAt address: UInt) -> [UInt8]? {
        guard let next = malloc(size) else { return nil }
        defer { free(next) }
        guard UInt(bitPattern: next) == address else { return nil }
        return Array(UnsafeRawBufferPointer(start: next, count: size)[16...])
    }

    @Test func aFreedBlockIsZeroed() throws {
        let block = try filledBlock()
        let address = UInt(bitPattern: block)
        CRYPTO_free(block, nil, 0)
        let rest = rest(ofBlockAt: address)
        #expect(try #require(rest).allSatisfy { $0 == 0 })
    }

    @Test func theOldBlockOfOneThatGrowsIsZeroed() throws {
        let block = try filledBlock()
        let address = UInt(bitPattern: block)
        let result = CRYPTO_realloc(block, 4096, nil, 0)
        let rest = rest(ofBlockAt: address)
        #expect(try #require(rest).allSatisfy { $0 == 0 })
        let grown = try #require(result)
        #expect(UnsafeRawBufferPointer(start: grown, count: size).allSatisfy { $0 == 0xA5 })
        CRYPTO_free(grown, nil, 0)
    }

    @Test func nothingIsAllocatedForNoBytes() {
        #expect(CRYPTO_malloc(0, nil, 0) == nil)
        CRYPTO_free(nil, nil, 0)
    }
}
