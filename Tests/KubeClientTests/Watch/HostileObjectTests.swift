import Cryptography
import HTTP
import TestSupport
import Testing

@testable import KubeClient

/// Objects that a tenant may store must not stop a list or a watch.
@Suite(.timeLimit(.minutes(1))) struct HostileObjectTests: WatcherSuite {
    private func nested(_ depth: Int) -> String {
        String(repeating: #"{"f:x":"#, count: depth) + "{}" + String(repeating: "}", count: depth)
    }

    /// Returns a widget whose managedFields nest as deep as the API server stores them, or deeper.
    private func deep(_ name: String, _ version: Int, _ depth: Int) -> String {
        #"{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"managedFields":[{"fieldsType":"FieldsV1","#
            + #""fieldsV1":\#(nested(depth)),"manager":"m","operation":"Update"}],"name":"\#(name)","#
            + #""namespace":"n","resourceVersion":"\#(version)"},"more":\#(nested(depth)),"spec":{"size":1}}"#
    }

    @Test(arguments: [600, 100_000], [false, true])
    func readsDeeplyNestedObjects(depth: Int, streamed: Bool) async {
        let first =
            streamed
            ? Response(
                200,
                event("ADDED", deep("a", 1, depth)) + event("ADDED", widget("b", 2)) + bookmark(5, end: true)
                    + event("MODIFIED", deep("a", 6, depth)) + event("ADDED", widget("c", 7)), end: .stall)
            : list(5, [deep("a", 1, depth), widget("b", 2)])
        let watched = Response(
            200, event("MODIFIED", deep("a", 6, depth)) + event("ADDED", widget("c", 7)), end: .stall)
        let run = await watch(streamed ? [first] : [first, watched], until: 6, streamingLists: streamed)
        #expect(
            run.events == [
                "initStarted []", "applied a=1", "applied b=1", "initDone 5 [ab]", "applied a=1",
                "applied c=1",
            ])
    }

    @Test(arguments: [600, 50_000]) func readsDeeplyNestedResponsesToWrites(depth: Int) async throws {
        let answer = deep("a", 9, depth)
        let client = KubeClient(FakeTransport { _ in Response(200, answer) })
        let ref = ObjectRef(namespace: "n", name: "a")
        let patched = try await client.patch(Widget.resource, ref, .merge(body: Array("{}".utf8)))
        #expect(patched.resourceVersion == "9")
        let got = try await client.get(Widget.self, ref)
        #expect(got.spec.size == 1)
        let body = SharedSecret(copying: "{}".utf8)
        #expect(try await client.create(Widget.resource, ref, body: body).resourceVersion == "9")
    }

    @Test func ignoresMalformedManagedFields() async {
        for odd in ["7", "{}", #""x""#, "[7]", "[[]]", "null", #"[{"manager":7,"time":{},"fieldsV1":[[]]}]"#]
        {
            let object =
                #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6","managedFields":\#(odd)},"spec":{"size":1}}"#
            let run = await watch(
                [list(5, []), Response(200, event("ADDED", object), end: .stall)], until: 3)
            #expect(run.events.last == "applied a=1", "\(odd)")
        }
    }

    /// Returns an object with an owner whose name has `bytes` bytes, escaped as by the API server.
    private func large(_ name: String, _ version: Int, bytes: Int) -> String {
        let owner =
            String(repeating: "\\u003c", count: 10_000) + String(repeating: "x", count: bytes - 60_000)
        return
            #"{"metadata":{"name":"\#(name)","namespace":"n","resourceVersion":"\#(version)","ownerReferences":[{"#
            + #""apiVersion":"v1","kind":"K","name":"\#(owner)","uid":"u"}]},"spec":{"size":1}}"#
    }

    private func chunks(_ text: String, of size: Int) -> [[UInt8]] {
        let bytes = Array(text.utf8)
        return stride(from: 0, to: bytes.count, by: size).map {
            Array(bytes[$0..<min($0 + size, bytes.count)])
        }
    }

    @Test func readsALineOfNineMegabytes() async {
        let text = event("ADDED", large("a", 6, bytes: 9_000_000)) + event("ADDED", widget("b", 7))
        let run = await watch(
            [list(5, []), Response(200, chunks: chunks(text, of: 1 << 18), end: .stall)], until: 4)
        #expect(run.events == ["initStarted []", "initDone 5 []", "applied a=1", "applied b=1"])
    }

    @Test func reportsAnOversizedObjectAndContinues() async {
        let run = await watch(
            [
                list(5, []),
                Response(200, chunks: chunks(event("ADDED", large("a", 6, bytes: 400_000)), of: 4096)),
                Response(200, event("ADDED", widget("b", 7)), end: .stall),
            ], until: 4, maximumEventBytes: 320_000)
        #expect(
            run.events == [
                "initStarted []", "initDone 5 []",
                "malformed a: the object has more than 320000 bytes of JSON",
                "applied b=1",
            ])
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true, "\(run.lines)")
    }

    /// The line's beginning does not identify the object.
    @Test func skipsAnOversizedLineWithoutAName() async {
        let line =
            #"{"type":"ADDED","object":{"metadata":{"annotations":{"a":""#
            + String(repeating: "x", count: 400_000)
        let text = line + "\n" + event("ADDED", widget("b", 7))
        let run = await watch(
            [list(5, []), Response(200, chunks: chunks(text, of: 4096), end: .stall)], until: 4,
            maximumEventBytes: 320_000)
        #expect(run.events == ["initStarted []", "initDone 5 []", "unreadable too_long", "applied b=1"])
    }

    /// The API server does not write such objects. Their readable parts are reported.
    @Test(arguments: [
        (
            #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6"},"spec":{"size":01}}"#,
            "spec.size is not valid JSON"
        ),
        (
            #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6","labels":{"k":"\ud800"}},"spec":{"size":1}}"#,
            "metadata.labels.k has characters that are not valid"
        ),
        (
            #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6","generation":9223372036854775808},"spec":{"size":1}}"#,
            "metadata.generation is out of range"
        ),
        (
            #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6","labels":[]},"spec":{"size":1}}"#,
            "metadata.labels is not of type object"
        ),
        (
            #"{"spec":{"size":"x"},"metadata":{"name":"x","name":"a","namespace":"n","resourceVersion":"6"}}"#,
            "spec.size is not of type integer"
        ),
    ]) func reportsAMalformedObjectAndContinues(object: String, problem: String) async {
        let run = await watch(
            [list(5, []), Response(200, event("ADDED", object)), quiet], until: 3)
        #expect(run.events == ["initStarted []", "initDone 5 []", "malformed a: \(problem)"])
        while run.transport.requests.count < 3 { await Task.yield() }
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true, "the version advances: \(run.lines)")
    }

    @Test func reportsOnlyTheObjectWithInvalidUTF8() async {
        var bytes = Array(event("ADDED", widget("a", 6, note: "NOTE")).utf8)
        if let index = bytes.firstRange(of: Array("NOTE".utf8))?.lowerBound { bytes[index] = 0xFF }
        let run = await watch(
            [
                list(5, []),
                Response(200, chunks: [bytes, Array(event("ADDED", widget("b", 7)).utf8)], end: .stall),
            ], until: 4)
        #expect(
            run.events == [
                "initStarted []", "initDone 5 []",
                "malformed a: metadata.annotations.note has characters that are not valid",
                "applied b=1",
            ])
    }

    /// The connection closed within the event, so the server sends it again.
    @Test func ignoresATruncatedEvent() async {
        let whole = event("ADDED", widget("a", 7))
        let run = await watch(
            [
                list(5, []), Response(200, bookmark(6) + String(whole.dropLast(10))),
                Response(200, whole, end: .stall),
            ], until: 3)
        #expect(run.events == ["initStarted []", "initDone 5 []", "applied a=1"])
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true)
    }

    @Test func reportsListItemsWithoutAName() async {
        let run = await watch([list(5, ["{}", "7", widget("a", 1), "null"])], until: 6)
        #expect(
            run.events.prefix(5) == [
                "initStarted []", "applied a=1", "unreadable incomplete", "unreadable incomplete",
                "unreadable incomplete",
            ])
        #expect(run.events.last == "initDone 5 [a]")
    }

    private let quiet = Response(200, chunks: [], end: .stall)
}
