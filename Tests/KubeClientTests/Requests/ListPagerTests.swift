import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

/// A server with objects of given sizes, which cuts its pages as it is asked to.
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
        var pager = ListPager<Widget>(KubeClient(transport), Selection(), size: size, pageBytes: 32 << 10)
        var names: [String] = []
        while let page = try await pager.nextPage() { names += page.items.map(\.metadata.name) }
        return names
    }

    @Test func asksForHalfOfAPageThatIsTooLargeAndGrowsAgain() async throws {
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

    /// There is no smaller page to ask for.
    @Test func oneObjectAloneMayHaveMoreThanAPage() async throws {
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

    /// A watcher, too: it remembers the size for its next page, and for its next list.
    @Test func theWatcherGetsThrough() async throws {
        let transport = server([Int](repeating: 12 << 10, count: 5))
        let names = Recorder<String>()
        let done = Recorder<Void>()
        var timing = WatcherOptions()
        timing.pageSize = 4
        timing.maximumPageBytes = 32 << 10
        timing.sleep = { _ in }
        let watcher = Watcher<Widget>(
            KubeClient(transport), Selection(), timing: timing, streamingLists: false)
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
    func anyCountOfRemainingObjectsIsTaken(count: String) async throws {
        let page = try await KubeClient(server([1, 1], remaining: count)).list(
            Widget.self, Selection(), limit: 1)
        #expect(page.remaining == (count.hasPrefix("9223372036854775807") ? Int.max : nil))
        #expect(page.items.count == 1)
    }

    /// A transport error would be repeated four times, for the same answer.
    @Test func aPageThatIsTooLargeIsAskedForOnce() async throws {
        let transport = server([40 << 10, 1])
        let error = await failure { () throws(KubeError) in
            _ = try await KubeClient(transport).list(
                Widget.self, Selection(), limit: 2, maximumBytes: 32 << 10)
        }
        #expect(error?.code == .responseTooLarge)
        #expect(transport.requests.count == 1)
    }
}
