import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

/// How many rows a cluster has: what the server counts when it counts.
struct ClusterProgressTests {
    /// Pages of rows that are malformed, which needs no key to be told.
    private func pages(_ counts: [Int], remaining: [Int?]) -> FakeTransport {
        FakeTransport(
            script: zip(counts.indices, counts).map { page, count in
                let items = (0..<count).map {
                    #"{"metadata": {"namespace": "a", "name": "\#(page)-\#($0)"}}"#
                }.joined(separator: ",")
                var metadata = [#""resourceVersion": "1""#]
                if page < counts.count - 1 { metadata.append(#""continue": "t\#(page)""#) }
                if let left = remaining[page] { metadata.append(#""remainingItemCount": \#(left)"#) }
                let list = #"{"metadata": {\#(metadata.joined(separator: ","))}, "items": [\#(items)]}"#
                return FakeTransport.Response(200, list)
            })
    }

    private func rewrap(_ transport: FakeTransport) async throws -> [String] {
        let cluster = ClusterConfiguration(server: "https://api.test", trust: .system)
        let work = ClusterRewrapper(
            keys: try FakeKeyManager().keyRing, order: .refresh,
            client: KubeClient(connection: APIConnection(cluster, transport: transport)), isDryRun: true)
        let told = Recorder<String>()
        try await work.rewrap(Selection(), expect: { told.append("of \($0)") }) { told.append("\($0.count)") }
        return told.elements
    }

    @Test func theWholeIsWhatWasReadAndWhatRemains() async throws {
        let told = try await rewrap(pages([3, 2, 1], remaining: [3, 2, nil]))
        // One more came meanwhile.
        #expect(told == ["of 6", "3", "of 7", "2", "of 6", "1"])
    }

    @Test func withASelectorTheWholeIsKnownAtTheEnd() async throws {
        #expect(try await rewrap(pages([3, 2], remaining: [nil, nil])) == ["3", "of 5", "2"])
    }
}
