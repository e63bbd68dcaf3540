import Cryptography
import Glibc
import HTTPTypes
import TestSupport
import Testing

@testable import HTTP

/// Searches the memory of this process for secrets that were sent over HTTP/1.1. (For HTTP/2 see
/// docs/adr/0002-http-on-libcurl-multi.md.)
@Suite(.timeLimit(.minutes(5)))
struct SecretMemoryTests {
    @Test(arguments: [HTTPClientRequest.TransferMode.unary, .streaming])
    func leavesNoSecretInMemoryAfterTheRequest(mode: HTTPClientRequest.TransferMode) async throws {
        // A small request arrives in one read, and the server must not keep it either.
        let server = try FakeServer { connection in
            while connection.readAndWipe() > 0 {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            }
        }
        let client = CurlClient(environment: [:])
        // The search pattern is the one copy that may be found.
        let pattern = Self.canary()
        for _ in 0..<5 {
            let request = HTTPClientRequest(
                method: .post, url: server.url,
                secretFields: [.init(name: .authorization, value: Self.copy(of: pattern))],
                body: .secret(Self.copy(of: pattern)), mode: mode)
            #expect(try await client.send(request, upTo: 0).head.status == .ok)
        }
        await client.shutdown()
        #expect(try Self.occurrences(of: pattern) == 1)
        let other = Self.copy(of: pattern)
        #expect(try Self.occurrences(of: pattern) == 2)
        withExtendedLifetime(other) {}
    }

    private static func canary() -> SharedSecret {
        SharedSecret(
            SecretBytes(count: 48) { bytes in
                bytes[0] = 0x7E
                for index in 1..<bytes.count { bytes[index] = UInt8.random(in: 0x21...0x7D) }
            })
    }

    private static func copy(of secret: SharedSecret) -> SharedSecret {
        SharedSecret(secret.bytes.withUnsafeBytes { SecretBytes(copying: $0) })
    }

    /// Counts copies in all writable memory of this process, see proc(5).
    private static func occurrences(of secret: SharedSecret) throws -> Int {
        let memory = open("/proc/self/mem", O_RDONLY)
        guard memory >= 0, let maps = fopen("/proc/self/maps", "r") else { throw SocketFailure() }
        defer {
            close(memory)
            fclose(maps)
        }
        let window = 1 << 20
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: window + secret.count, alignment: 16)
        defer {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            buffer.deallocate()
        }
        let own = UInt(bitPattern: buffer.baseAddress)
        var count = 0
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), maps) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split(separator: " ")
            let bounds = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            // A larger mapping is a sanitizer's shadow memory.
            guard words[1].hasPrefix("rw"), bounds.count == 2, bounds[1] - bounds[0] < 1 << 32 else {
                continue
            }
            var address = bounds[0]
            while address < bounds[1] {
                let length = min(buffer.count, Int(bounds[1] - address))
                let got = pread(memory, buffer.baseAddress, length, off_t(address))
                guard got > 0 else { break }
                count += starts(of: secret, in: UnsafeRawBufferPointer(rebasing: buffer[..<got])) { offset in
                    // Windows overlap by the secret's length. The search's own buffer does not count.
                    offset < window && !(own..<own + UInt(buffer.count)).contains(address + UInt(offset))
                }
                buffer.initializeMemory(as: UInt8.self, repeating: 0)
                address += UInt(window)
            }
        }
        return count
    }

    private static func starts(
        of secret: SharedSecret, in bytes: UnsafeRawBufferPointer, where isWanted: (Int) -> Bool
    ) -> Int {
        secret.bytes.withUnsafeBytes { pattern in
            guard let base = bytes.baseAddress, let needle = pattern.baseAddress else { return 0 }
            var count = 0
            var offset = 0
            while bytes.count - offset >= pattern.count,
                let found = memchr(base + offset, Int32(pattern[0]), bytes.count - offset)
            {
                let start = UnsafeRawPointer(found) - base
                if bytes.count - start >= pattern.count, memcmp(found, needle, pattern.count) == 0,
                    isWanted(start)
                {
                    count += 1
                }
                offset = start + 1
            }
            return count
        }
    }
}
