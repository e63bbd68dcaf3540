import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KubeClient

/// Runs the watcher against a server that produces faults. Nothing waits; the pauses are recorded.
@Suite(.timeLimit(.minutes(1))) struct WatcherTests: WatcherSuite {
    private let quiet = Response(200, chunks: [], end: .stall)

    @Test func listsPageByPageThenWatches() async {
        let run = await watch(
            [
                list(5, [widget("a", 1)], token: "t/1"), list(5, [widget("b", 2, size: 2)]),
                Response(200, event("MODIFIED", widget("a", 6, size: 9)) + bookmark(8), end: .stall),
            ], until: 5)
        #expect(
            run.events == ["initStarted []", "applied a=1", "applied b=2", "initDone 5 [ab]", "applied a=9"])
        let path = "GET /apis/example.io/v1/namespaces/n/widgets?labelSelector=a%3Db"
        #expect(
            run.lines == [
                "\(path)&limit=500", "\(path)&limit=500&continue=t%2F1",
                "\(path)&watch=true&allowWatchBookmarks=true&timeoutSeconds=270&resourceVersion=5",
            ])
        #expect(run.transport.requests.map(\.mode) == [.unary, .unary, .streaming])
        #expect(run.pauses.isEmpty)
    }

    @Test func streamsTheListIfTheServerSupportsIt() async {
        let run = await watch(
            [
                Response(
                    200,
                    event("ADDED", widget("a", 1)) + bookmark(3) + event("ADDED", widget("b", 2))
                        + bookmark(5, end: true) + event("DELETED", widget("a", 6)), end: .stall)
            ], until: 5, streamingLists: true)
        #expect(
            run.events == ["initStarted []", "applied a=1", "applied b=1", "initDone 5 [ab]", "deleted a"])
        #expect(run.lines[0].hasSuffix("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"))
        #expect(run.lines.count == 1)
    }

    @Test(arguments: [400, 422]) func listsPageByPageIfTheServerCannotStream(code: Int) async {
        let run = await watch(
            [
                .status(code, "Invalid", "resourceVersionMatch is forbidden for watch"),
                list(5, [widget("a", 1)]),
            ], until: 4, streamingLists: true)
        #expect(run.events == ["initStarted []", "initStarted []", "applied a=1", "initDone 5 [a]"])
        #expect(run.pauses.isEmpty, "the list begins at once")
    }

    @Test func listsPageByPageAfterAStreamedListWithoutEnd() async {
        let run = await watch(
            [Response(200, event("ADDED", widget("x", 1))), list(5, [widget("a", 1)])], until: 5,
            streamingLists: true)
        #expect(
            run.events == [
                "initStarted []", "applied x=1", "initStarted []", "applied a=1", "initDone 5 [a]",
            ])
    }

    /// A watch could not continue from it.
    @Test(arguments: [false, true]) func listsAgainAfterAListWithoutAVersion(streamed: Bool) async {
        let unversioned =
            streamed
            ? Response(
                200,
                event("ADDED", widget("x", 1))
                    + event(
                        "BOOKMARK",
                        #"{"metadata":{"resourceVersion":"","annotations":{"k8s.io/initial-events-end":"true"}}}"#
                    ), end: .stall)
            : Response(200, #"{"metadata":{"resourceVersion":""},"items":[\#(widget("x", 1))]}"#)
        let run = await watch(
            [unversioned, list(5, [widget("a", 1)]), quiet], until: 6, streamingLists: streamed)
        #expect(
            run.events == [
                "initStarted []", "applied x=1", "interrupted malformedResponse", "initStarted []",
                "applied a=1", "initDone 5 [a]",
            ])
        #expect(run.pauses.count == 1)
    }

    /// Chunks end anywhere: inside a character, inside an escape, before or after the line feed.
    @Test(arguments: [1, 2, 3, 7, 64, 100_000]) func readsEventsForAnyChunking(size: Int) async {
        let text =
            event("ADDED", widget("a", 6, size: 2, note: "one\u{2028}two\u{85}é")) + "\n"
            + event("ADDED", widget("b", 7, size: 3)) + event("DELETED", widget("a", 8))
            // The last line has no line feed.
            + String(event("ADDED", widget("c", 9, size: 4)).dropLast())
        let bytes = Array(text.utf8)
        let chunks = stride(from: 0, to: bytes.count, by: size).map {
            Array(bytes[$0..<min($0 + size, bytes.count)])
        }
        let run = await watch([list(5, []), Response(200, chunks: chunks), quiet], until: 6)
        #expect(
            run.events.dropFirst(2) == ["applied a=2", "applied b=3", "deleted a", "applied c=4"])
        #expect(run.lines.last?.hasSuffix("resourceVersion=9") == true)
    }

    @Test func continuesAfterAMalformedObject() async {
        let bad = #"{"metadata":{"name":"bad","resourceVersion":"6"},"spec":{"size":"x"}}"#
        let run = await watch(
            [
                list(5, [widget("a", 1), bad, widget("b", 2)]),
                Response(200, event("MODIFIED", bad) + event("ADDED", widget("c", 7)), end: .stall),
            ], until: 7)
        #expect(
            run.events == [
                "initStarted []", "applied a=1", "malformed bad: spec.size is not of type integer",
                "applied b=1",
                "initDone 5 [ab]", "malformed bad: spec.size is not of type integer", "applied c=1",
            ])
    }

    /// The 410 arrives as an event or as a status. The store keeps its contents meanwhile.
    @Test(arguments: [true, false]) func listsAgainWhenTheResourceVersionIsTooOld(asEvent: Bool) async {
        let expired = asEvent ? Response(200, error(410, "Expired")) : .status(410, "Expired")
        let run = await watch(
            [
                list(5, [widget("a", 1), widget("b", 2)]), expired,
                list(9, [widget("b", 8, size: 7)], token: "t"), list(9, []), quiet,
            ], until: 8)
        #expect(
            run.events == [
                "initStarted []", "applied a=1", "applied b=1", "initDone 5 [ab]", "interrupted expired",
                "initStarted [ab]", "applied b=7", "initDone 9 [b]",
            ])
        #expect(run.store == ["b": 7])
        #expect(run.pauses.isEmpty)
    }

    @Test func listsAgainWhenTheContinueTokenIsTooOld() async {
        let run = await watch(
            [
                list(5, [widget("a", 1)], token: "t"), .status(410, "Expired"), list(6, [widget("b", 2)]),
            ], until: 6)
        #expect(
            run.events == [
                "initStarted []", "applied a=1", "interrupted expired", "initStarted []", "applied b=1",
                "initDone 6 [b]",
            ])
    }

    @Test func resumesAtItsResourceVersion() async {
        let broken = HTTPError(.connectionClosed, activity: "GET https://api.test")
        let run = await watch(
            [
                list(5, []), Response(200, event("ADDED", widget("a", 6))),
                Response(200, chunks: [Array(bookmark(8).utf8)], end: .failure(broken)),
                .status(500, "InternalError"), .status(403, "Forbidden"),
                Response(200, event("ADDED", widget("b", 9)), end: .stall),
            ], until: 7)
        #expect(
            run.events == [
                "initStarted []", "initDone 5 []", "applied a=1", "interrupted transport",
                "interrupted internalError", "interrupted forbidden", "resumed", "applied b=1",
            ])
        let versions = run.lines.dropFirst().map { $0.split(separator: "=").last ?? "" }
        #expect(versions == ["5", "6", "8", "8", "8"])
        #expect(run.pauses.count == 3)
        #expect(
            run.lines.suffix(2).allSatisfy { $0.contains("timeoutSeconds=30&") }, "the next watches are short"
        )
    }

    /// After a restore of etcd, a watch from a version that is too large has no event and ends normally.
    @Test func listsAgainAfterAWatchWithoutEvents() async {
        let run = await watch([list(500, [widget("a", 1)]), Response(200, ""), list(7, [])], until: 5)
        #expect(
            run.events == [
                "initStarted []", "applied a=1", "initDone 500 [a]", "initStarted [a]", "initDone 7 []",
            ])
    }

    @Test func listsAgainWhenTheResourceVersionIsTooLarge() async {
        let run = await watch(
            [
                list(500, []),
                .status(
                    504, "Timeout", "Too large resource version: 500, current: 7",
                    details: #"{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1}"#),
                list(7, []),
            ], until: 5)
        #expect(
            run.events == [
                "initStarted []", "initDone 500 []", "interrupted timeout", "initStarted []", "initDone 7 []",
            ])
    }

    @Test func waitsForTheRequestedDelay() async {
        let run = await watch(
            [
                list(5, [widget("a", 1)]), .status(429, "TooManyRequests", fields: [.retryAfter: "12"]),
                .status(429, "TooManyRequests", fields: [.retryAfter: "0"]),
                .status(429, "TooManyRequests", fields: [.retryAfter: "86400"]),
                Response(200, event("ADDED", widget("b", 6)), end: .stall),
            ], until: 7)
        #expect(run.pauses.count == 3)
        #expect(run.pauses[0] == .seconds(12))
        #expect(run.pauses[1] <= .seconds(2), "the backoff applies")
        #expect(run.pauses[2] == .seconds(60), "the pause is limited")
        #expect(!run.events.dropFirst().contains { $0.hasPrefix("initStarted") }, "no new list begins")
        #expect(run.store == ["a": 1, "b": 1])
    }

    @Test func increasesThePauses() async {
        let run = await watch(
            [Response](repeating: .status(403, "Forbidden"), count: 40) + [list(5, [])], until: 82)
        #expect(run.pauses.count == 40)
        #expect(run.pauses[0] <= .milliseconds(800))
        #expect(run.pauses.allSatisfy { $0 <= .seconds(30) })
        #expect(run.pauses.suffix(30).contains { $0 > .seconds(5) })
    }

    /// A proxy that closes every watch at once must not get requests in a tight loop.
    @Test func backsOffFromAWatchThatEndsTooSoon() async {
        let run = await watch(
            [
                list(5, []), Response(200, ""), Response(200, ""),
                Response(200, event("ADDED", widget("a", 6))),
            ],
            until: 3, minimumDuration: .seconds(600))
        #expect(run.events == ["initStarted []", "initDone 5 []", "applied a=1"])
        #expect(run.pauses.count >= 2)
    }

    @Test func renewsARefusedCredential() async {
        let run = await watch(
            [
                list(5, []), .status(401, "Unauthorized"),
                Response(200, event("ADDED", widget("a", 6)), end: .stall),
            ], until: 3, credentials: Renewing())
        #expect(run.events == ["initStarted []", "initDone 5 []", "applied a=1"])
        #expect(
            run.transport.requests.map(\.authorization) == [
                "Bearer token-0", "Bearer token-0", "Bearer token-1",
            ])
        #expect(run.pauses.isEmpty)
    }

    @Test func skipsLinesThatAreNotEvents() async {
        let run = await watch(
            [
                list(5, []),
                Response(
                    200,
                    event("ADDED", widget("a", 6)) + "<html>\n" + #"{"type":"NEW","object":{}}"# + "\n"
                        + #"{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}"# + "\n[]\n"
                        + event("ADDED", widget("b", 8)), end: .stall),
            ], until: 8)
        #expect(
            run.events == [
                "initStarted []", "initDone 5 []", "applied a=1", "unreadable not_json",
                "unreadable unknown_type",
                "unreadable incomplete", "unreadable incomplete", "applied b=1",
            ])
    }

    @Test func requestsOnlyTheMetadataOfSecrets() async {
        let transport = FakeTransport(script: [
            Response(200, #"{"metadata":{"resourceVersion":"5"},"items":null}"#)
        ])
        let done = Recorder<Void>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await Watcher<SecretMetadata>(KubeClient(transport), streamingLists: false).run {
                    if case .initDone = $0 { done.append(()) }
                }
            }
            await done.wait(for: 1)
            while transport.requests.count < 2 { await Task.yield() }
            group.cancelAll()
        }
        #expect(
            transport.requests.map { $0.fields[.accept] } == [
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            ])
        #expect(transport.requests[0].path == "/api/v1/secrets")
    }
}
