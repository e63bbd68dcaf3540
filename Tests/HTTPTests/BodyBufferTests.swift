import Testing

@testable import HTTP

struct BodyBufferTests {
    private func write(_ bytes: [UInt8], to buffer: inout BodyBuffer) -> BodyBuffer.WriteResult {
        bytes.withUnsafeBytes { buffer.write($0) }
    }

    private let failure = HTTPError(.connectionClosed, activity: "GET https://h:1")

    @Test func returnsWrittenBytesBeforeTheEnd() {
        var buffer = BodyBuffer()
        #expect(buffer.read() == .empty)
        #expect(write([1, 2], to: &buffer) == .stored)
        #expect(write([3], to: &buffer) == .stored)
        buffer.finish(nil)
        buffer.finish(failure)
        #expect(buffer.read() == .chunk([1, 2, 3], unblocks: false))
        #expect(buffer.read() == .end)
        #expect(buffer.read() == .end)
    }

    @Test func returnsWrittenBytesBeforeAFailure() {
        var buffer = BodyBuffer()
        _ = write([1], to: &buffer)
        buffer.finish(failure)
        #expect(buffer.read() == .chunk([1], unblocks: false))
        #expect(buffer.read() == .failed(failure))
    }

    @Test func refusesWritesWhileFull() {
        var buffer = BodyBuffer(highWaterMark: 4)
        #expect(write([1, 2, 3], to: &buffer) == .stored)
        #expect(write([4, 5], to: &buffer) == .full)
        #expect(write([4], to: &buffer) == .stored)
        #expect(buffer.read() == .chunk([1, 2, 3, 4], unblocks: true))
        #expect(buffer.read() == .empty)
        #expect(write([5], to: &buffer) == .stored)
        #expect(buffer.read() == .chunk([5], unblocks: false))
    }

    @Test func storesOneWriteAboveTheHighWaterMark() {
        var buffer = BodyBuffer(highWaterMark: 2)
        #expect(write([1, 2, 3], to: &buffer) == .stored)
        #expect(write([4], to: &buffer) == .full)
    }

    @Test func losesNoBytesAndStaysBelowTheMarkForRandomInput() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var buffer = BodyBuffer(highWaterMark: 16)
            var written: [UInt8] = []
            var read: [UInt8] = []
            var isRefused = false
            for next in 0..<200 {
                if Bool.random(using: &random), !isRefused {
                    let bytes = [UInt8](repeating: UInt8(next), count: Int.random(in: 1...6, using: &random))
                    isRefused = write(bytes, to: &buffer) == .full
                    if !isRefused { written += bytes }
                } else if case .chunk(let chunk, let unblocks) = buffer.read() {
                    #expect(chunk.count <= 16)
                    #expect(unblocks == isRefused)
                    isRefused = false
                    read += chunk
                }
            }
            if case .chunk(let chunk, _) = buffer.read() { read += chunk }
            #expect(read == written)
        }
    }
}
