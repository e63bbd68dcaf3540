import HTTPTypes
import System
import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(5)))
struct StreamingTests {
    private let client = CurlClient(environment: [:])

    private func stream(_ url: String) -> HTTPClientRequest {
        HTTPClientRequest(url: url, mode: .streaming, timeout: nil)
    }

    @Test func passesChunksAsTheyArrive() async throws {
        let taken = Locked<Signal?>(nil)
        let first = Signal()
        taken.withLock { $0 = first }
        let go = Gate()
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for word in ["one", "two", "six"] {
                go.pass()
                connection.send("3\r\n\(word)\r\n")
            }
            go.pass()
            connection.send("0\r\n\r\n")
        }
        let words = try await client.withResponse(to: stream(server.url)) { head, body in
            #expect(head.status == .ok)
            var words: [String] = []
            go.open()
            for try await chunk in body {
                words.append(String(decoding: chunk, as: UTF8.self))
                go.open()
            }
            return words
        }
        #expect(words == ["one", "two", "six"])
    }

    @Test func returnsBytesBeforeAFailure() async throws {
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        }
        try await client.withResponse(to: stream(server.url)) { _, body in
            var read: [UInt8] = []
            let error = await #expect(throws: HTTPError.self) {
                for try await chunk in body { read += chunk }
            }
            #expect(read == Array("abc".utf8))
            #expect(error?.code == .connectionClosed)
        }
    }

    @Test func endsTheTransactionWithTheHandler() async throws {
        struct Enough: Error {}
        for isThrowing in [false, true] {
            let closed = Signal()
            let server = try FakeServer { connection in
                guard connection.readRequest() != nil else { return }
                connection.send("HTTP/1.1 200 OK\r\n\r\nabc")
                connection.waitForClose()
                closed.raise()
            }
            let kept = Locked<HTTPBody?>(nil)
            do {
                try await client.withResponse(to: stream(server.url)) { _, body in
                    kept.withLock { $0 = body }
                    if isThrowing { throw Enough() }
                }
                #expect(!isThrowing)
            } catch is Enough {
                #expect(isThrowing)
            }
            try await closed.wait()
            // A body that is used after the handler returns at most the buffered bytes and then throws.
            let body = try #require(kept.withLock { $0 })
            let error = await #expect(throws: HTTPError.self) { for try await _ in body {} }
            #expect(error?.code == .cancelled)
        }
    }

    @Test func cancelsOnlyTheReader() async throws {
        let server = try FakeServer { connection in
            guard let request = connection.readRequest() else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
            _ = request
            _ = connection.read()
            connection.send("abc")
        }
        let url = server.url
        let client = client
        try await client.withResponse(to: stream(url)) { _, body in
            let reader = Task { try await body.collect(upTo: 3) }
            await Task.yield()
            reader.cancel()
            let error = await #expect(throws: HTTPError.self) { try await reader.value }
            #expect(error?.code == .cancelled)
        }
    }

    @Test func pausesTheServerWhileTheReaderIsSlow() async throws {
        let total = 48 << 20
        let sent = Locked(0)
        let server = try FakeServer { connection in
            guard connection.readRequest() != nil else { return }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let piece = [UInt8](repeating: 0x78, count: 1 << 16)
            for _ in 0..<(total / piece.count) where connection.send(piece) {
                sent.withLock { $0 += piece.count }
            }
        }
        try await client.withResponse(to: stream(server.url)) { _, body in
            // Wait until the server has filled the socket buffers of both sides and blocks.
            var before = -1
            while case let now = sent.withLock({ $0 }), now != before {
                before = now
                try await Task.sleep(for: .milliseconds(300))
            }
            #expect(before < total / 2)
            var count = 0
            for try await chunk in body {
                #expect(chunk.count <= 256 << 10)
                count += chunk.count
            }
            #expect(count == total)
        }
    }

    @Test func opensAConnectionPerStreamAndDelaysNoOtherRequest() async throws {
        let server = try FakeServer { connection in
            while let request = connection.readRequest() {
                if request.line.contains("/watch") {
                    connection.send("HTTP/1.1 200 OK\r\n\r\n")
                    while connection.send([UInt8](repeating: 0x78, count: 1 << 16)) {}
                    return
                }
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
        let (client, url, watch) = (client, server.url, stream("\(server.url)/watch"))
        try await client.withResponse(to: watch) { _, _ in
            try await client.withResponse(to: watch) { _, _ in
                try await Task.sleep(for: .milliseconds(200))
                for _ in 0..<50 {
                    let request = HTTPClientRequest(url: url, timeout: .seconds(60))
                    #expect(try await client.send(request, upTo: 2).body == Array("ok".utf8))
                }
            }
        }
        #expect(server.connectionCount == 3)
    }
}

/// Lets a server's thread pass once for each `open`.
final class Gate: Sendable {
    private let state = Locked(0)

    func open() {
        state.withLock { $0 += 1 }
    }

    func pass() {
        while true {
            let isOpen = state.withLock { count in
                guard count > 0 else { return false }
                count -= 1
                return true
            }
            if isOpen { return }
            pause(milliseconds: 1)
        }
    }
}
