import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

/// Reads the pages of a server that has two objects in each of three pages.
@Suite(.timeLimit(.minutes(1))) struct PageReaderTests {
    private static func page(_ request: FakeTransport.Request, pad: Int = 0) -> FakeTransport.Response {
        let start = request.query.first { $0.hasPrefix("continue=") }.flatMap { Int($0.dropFirst(9)) } ?? 0
        let items = (start..<start + 2).map { index in
            #"{"metadata":{"name":"w\#(index)","annotations":{"pad":""# + String(repeating: "x", count: pad)
                + #""}},"spec":{"size":\#(index)}}"#
        }
        return .init(
            200,
            #"{"metadata":{"resourceVersion":"5","continue":"\#(start < 4 ? "\(start + 2)" : "")"},"items":["#
                + items.joined(separator: ",") + "]}")
    }

    private func reader(_ transport: FakeTransport) -> PageReader<Widget> {
        PageReader(
            ListPager(KubeClient(transport), Selection(), size: 2), semaphore: WatchStartSemaphore(),
            maximumBytesAhead: 4 << 10)
    }

    /// The objects of a page are not taken before the request of the next one has arrived.
    @Test func requestsTheNextPageWhileOneIsTaken() async throws {
        let transport = FakeTransport { Self.page($0) }
        var reader = reader(transport)
        var token: String?
        var names: [String] = []
        for expected in [2, 3, 3] {
            let next = try await reader.read(after: token) { page in
                while transport.requests.count < expected, !Task.isCancelled { await Task.yield() }
                #expect(transport.requests.count == expected)
                names += page.items.map(\.metadata.name)
            }
            token = next.next
        }
        #expect(names == ["w0", "w1", "w2", "w3", "w4", "w5"])
        #expect(token == nil)
        #expect(transport.requests.count == 3, "each page once")
    }

    @Test func requestsNoPageAheadOfLargeObjects() async throws {
        let transport = FakeTransport { Self.page($0, pad: 3 << 10) }
        var reader = reader(transport)
        var token: String?
        for expected in 1...3 {
            token = try await reader.read(after: token) { _ in
                for _ in 0..<100 { await Task.yield() }
                #expect(transport.requests.count == expected)
            }.next
        }
        #expect(token == nil)
    }

    /// The failure belongs to the page that was requested, and not to the one whose objects are taken.
    @Test func reportsTheFailureOfAPageWhenItIsRead() async throws {
        let transport = FakeTransport { request in
            request.query.contains("continue=2")
                ? .status(410, "Expired", "too old resource version") : Self.page(request)
        }
        var reader = reader(transport)
        var names: [String] = []
        let first = try await reader.read(after: nil) { names += $0.items.map(\.metadata.name) }
        #expect(names == ["w0", "w1"])
        let error = await failure { () throws(KubeError) in
            _ = try await reader.read(after: first.next) { _ in }
        }
        #expect(error?.code == .expired)
        // A new list begins with the first page, and does not use what was requested ahead in the one before.
        for _ in 0..<2 { _ = try await reader.read(after: nil) { names += $0.items.map(\.metadata.name) } }
        #expect(names == ["w0", "w1", "w0", "w1", "w0", "w1"])
    }
}
