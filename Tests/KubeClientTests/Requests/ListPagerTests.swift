import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

/// Runs against a server that returns pages of objects with given sizes.
@Suite(.timeLimit(.minutes(1))) struct ListPagerTests {
    private func server(_ sizes: [Int], remaining: String? = nil) -> FakeTransport {
        FakeTransport { request in
            func parameter(_ name: String) -> Int? {
                request.query.first { $0.hasPrefix("\(name)=") }.flatMap { Int($0.dropFirst(name.count + 1)) }
            }
            let start = parameter("continue") ?? 0
            let end = min(start + (parameter("limit") ?? sizes.count), sizes.count)
            let items = (start..<end).map { index in
                #"{"metadata":{"name":"w\#(index)","annotations":{"pad":""#
                    + String(repeating: "x", count: sizes[index]) + #""}},"spec":{"size":\#(index)}}"#
            }
            let rest = remaining.map { #","remainingItemCount":\#($0)"# } ?? ""
            return .init(
                200,
                #"{"metadata":{"resourceVersion":"5","continue":"\#(end < sizes.count ? "\(end)" : "")"\#(rest)},"#
                    + #""items":["# + items.joined(separator: ",") + "]}")
        }
    }

    private func names(_ transport: FakeTransport, size: Int) async throws -> [String] {
        var pager = ListPager<Widget>(
            KubeClient(transport), Selection(), size: size, maximumPageBytes: 32 << 10)
        var names: [String] = []
        while let page = try await pager.nextPage() { names += page.items.map(\.metadata.name) }
        return names
    }

    @Test func halvesAPageThatIsTooLargeAndGrowsItAgain() async throws {
        let sizes =
            [Int](repeating: 10, count: 8) + [Int](repeating: 20 << 10, count: 3)
            + [Int](repeating: 10, count: 30)
        let transport = server(sizes)
        #expect(try await names(transport, size: 8) == sizes.indices.map { "w\($0)" }, "each of them once")
        #expect(
            transport.requests.map { $0.query.joined(separator: "&") } == [
                "limit=8", "limit=8&continue=8", "limit=4&continue=8", "limit=2&continue=8",
                "limit=1&continue=8",
                "limit=1&continue=9", "limit=1&continue=10", "limit=1&continue=11", "limit=2&continue=12",
                "limit=4&continue=14", "limit=8&continue=18", "limit=8&continue=26", "limit=8&continue=34",
            ])
    }

    /// No smaller page can be requested.
    @Test func readsOneObjectThatExceedsThePageLimit() async throws {
        let transport = server([10, 40 << 10, 10])
        #expect(try await names(transport, size: 2) == ["w0", "w1", "w2"])
        let endless = FakeTransport { _ in
            .init(200, chunks: [[UInt8](repeating: 0x20, count: 65 << 20)])
        }
        let error = await failure { () throws(KubeError) in
            var pager = ListPager<Widget>(KubeClient(endless), Selection(), size: 2)
            _ = try await pager.nextPage()
        }
        #expect(error?.code == .responseTooLarge)
    }

    /// Otherwise a list would have no end.
    @Test func refusesAContinueTokenThatRepeats() async throws {
        let transport = FakeTransport { _ in
            .init(200, #"{"metadata":{"resourceVersion":"5","continue":"x"},"items":[]}"#)
        }
        var pager = ListPager<Widget>(KubeClient(transport), Selection())
        _ = try await pager.nextPage()
        let error = await failure { () throws(KubeError) in _ = try await pager.nextPage() }
        #expect(error?.code == .malformedResponse)
        #expect(transport.requests.count == 2)
    }

    /// A watcher remembers the size for its next page and its next list.
    @Test func keepsThePageSizeInAWatcher() async throws {
        let transport = server([Int](repeating: 12 << 10, count: 5))
        let names = Recorder<String>()
        let done = Recorder<Void>()
        var options = WatcherOptions()
        options.pageSize = 4
        options.maximumPageBytes = 32 << 10
        options.sleep = { _ in }
        let watcher = Watcher<Widget>(
            KubeClient(transport), Selection(), options: options, streamingLists: false)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await watcher.run { event in
                    if case .applied(let widget) = event { names.append(widget.metadata.name) }
                    if case .initDone = event { done.append(()) }
                    if case .interrupted(let error) = event { Issue.record("\(error)") }
                }
            }
            await done.wait(for: 1)
            group.cancelAll()
        }
        #expect(names.elements.prefix(5) == ["w0", "w1", "w2", "w3", "w4"])
        #expect(
            transport.requests.prefix(4).map { $0.query.joined(separator: "&") } == [
                "limit=4", "limit=2", "limit=2&continue=2", "limit=2&continue=4",
            ])
    }

    @Test(arguments: ["9223372036854775807", "9223372036854775808", "-1", "\"7\"", "1e99", "null"])
    func acceptsAnyRemainingItemCount(count: String) async throws {
        let page = try await KubeClient(server([1, 1], remaining: count)).list(
            Widget.self, Selection(), limit: 1)
        #expect(page.remaining == (count.hasPrefix("9223372036854775807") ? Int.max : nil))
        #expect(page.items.count == 1)
    }

    /// Four attempts would get the same response.
    @Test func doesNotRetryAPageThatIsTooLarge() async throws {
        let transport = server([40 << 10, 1])
        let error = await failure { () throws(KubeError) in
            _ = try await KubeClient(transport).list(
                Widget.self, Selection(), limit: 2, maximumBytes: 32 << 10)
        }
        #expect(error?.code == .responseTooLarge)
        #expect(transport.requests.count == 1)
    }

    /// A server without an end would keep the list busy for ever.
    @Test func refusesAListWithoutAnEnd() async throws {
        let page =
            #"{"metadata":{"resourceVersion":"5","continue":"%"},"items":[{"metadata":{"name":"w"},"spec":{"size":1}}]}"#
        let circle = FakeTransport { request in
            .init(200, page.replacing("%", with: request.query.contains("continue=a") ? "b" : "a"))
        }
        let error = await failure { () throws(KubeError) in
            var pager = ListPager<Widget>(KubeClient(circle), Selection())
            while try await pager.nextPage() != nil {}
        }
        #expect(error?.code == .malformedResponse)
        #expect(error?.description.contains("the continue token of an earlier page") == true)
        #expect(circle.requests.count == 3)
        let empty = FakeTransport { request in
            .init(
                200,
                #"{"metadata":{"resourceVersion":"5","continue":"\#(UInt64.random(in: 0 ... .max))"},"items":[]}"#
            )
        }
        let emptyError = await failure { () throws(KubeError) in
            var pager = ListPager<Widget>(KubeClient(empty), Selection())
            while try await pager.nextPage() != nil {}
        }
        #expect(emptyError?.description.contains("pages have no objects") == true)
    }
}
