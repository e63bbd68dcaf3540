import Cryptography
import TestSupport
import Testing

@testable import HTTP

struct HTTPBodyTests {
    private func buffered(_ bytes: [UInt8]) -> HTTPBody {
        var buffer = SecretBuffer()
        buffer.append(bytes)
        return HTTPBody(source: BufferedBody(ZeroizingBytes(buffer), activity: "GET x"))
    }

    private func stream(_ chunks: [UInt8]..., failure: HTTPError? = nil) -> HTTPBody {
        let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
        for chunk in chunks { continuation.yield(chunk) }
        continuation.finish()
        return HTTPBody(chunks: stream, failure: failure)
    }

    @Test func yieldsItsBytesOnce() async throws {
        for body in [buffered([1, 2, 3]), stream([1], [], [2, 3])] {
            var read: [UInt8] = []
            for try await chunk in body { read += chunk }
            #expect(read == [1, 2, 3])
            #expect(try await body.collect(upTo: 10) == [])
        }
    }

    @Test func enforcesTheLimitExactly() async throws {
        for make in [{ self.buffered([1, 2, 3]) }, { self.stream([1], [2, 3]) }] {
            #expect(try await make().collect(upTo: 3) == [1, 2, 3])
            #expect(
                try await SharedSecret(make().collectSecret(upTo: 3)).bytes.withUnsafeBytes { Array($0) } == [
                    1, 2, 3,
                ])
            let error = await #expect(throws: HTTPError.self) { try await make().collect(upTo: 2) }
            #expect(error?.code == .responseTooLarge)
            await #expect(throws: HTTPError.self) {
                _ = SharedSecret(try await make().collectSecret(upTo: 2))
            }
        }
    }

    @Test func throwsAFakesFailureAfterItsChunks() async throws {
        let failure = HTTPError(.connectionClosed, activity: "GET x")
        let body = stream([1], failure: failure)
        var iterator = body.makeAsyncIterator()
        #expect(try await iterator.next() == [1])
        await #expect(throws: failure) { try await iterator.next() }
    }
}
