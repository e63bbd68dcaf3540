import Cryptography
import HTTP
import TestSupport
import Testing

@testable import KubeClient

/// Objects that a tenant may store, and that must not stop a list or a watch.
@Suite(.timeLimit(.minutes(1))) struct HostileObjectTests: WatcherSuite {
    private func nested(_ depth: Int) -> String {
        String(repeating: #"{"f:x":"#, count: depth) + "{}" + String(repeating: "}", count: depth)
    }

    /// A widget whose managedFields nest as deep as the API server stores them, and deeper.
    private func deep(_ name: String, _ version: Int, _ depth: Int) -> String {
        #"{"apiVersion":"example.io/v1","kind":"Widget","metadata":{"managedFields":[{"fieldsType":"FieldsV1","#
            + #""fieldsV1":\#(nested(depth)),"manager":"m","operation":"Update"}],"name":"\#(name)","#
            + #""namespace":"n","resourceVersion":"\#(version)"},"more":\#(nested(depth)),"spec":{"size":1}}"#
    }

    @Test(arguments: [600, 100_000], [false, true])
    func readsObjectsThatNestAsDeepAsTheyLike(depth: Int, streamed: Bool) async {
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
                "began []", "applied a=1", "applied b=1", "committed 5 [ab]", "applied a=1", "applied c=1",
            ])
    }

    @Test(arguments: [600, 50_000]) func readsTheAnswerToAWrite(depth: Int) async throws {
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

    @Test func managedFieldsOfAnotherShapeAreNoError() async {
        for odd in ["7", "{}", #""x""#, "[7]", "[[]]", "null", #"[{"manager":7,"time":{},"fieldsV1":[[]]}]"#]
        {
            let object =
                #"{"metadata":{"name":"a","namespace":"n","resourceVersion":"6","managedFields":\#(odd)},"spec":{"size":1}}"#
            let run = await watch(
                [list(5, []), Response(200, event("ADDED", object), end: .stall)], until: 3)
            #expect(run.events.last == "applied a=1", "\(odd)")
        }
    }

    /// An object with an owner whose name has `bytes` bytes, escaped as the API server does.
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
        #expect(run.events == ["began []", "committed 5 []", "applied a=1", "applied b=1"])
    }

    @Test func reportsAnObjectThatIsTooLargeAloneAndGoesOnAfterIt() async {
        let run = await watch(
            [
                list(5, []),
                Response(200, chunks: chunks(event("ADDED", large("a", 6, bytes: 400_000)), of: 4096)),
                Response(200, event("ADDED", widget("b", 7)), end: .stall),
            ], until: 4, lineBytes: 320_000)
        #expect(
            run.events == [
                "began []", "committed 5 []", "malformed a: the object has more than 320000 bytes of JSON",
                "applied b=1",
            ])
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true, "\(run.lines)")
    }

    /// Even where the line's beginning does not tell which object it is about.
    @Test func passesOverAnEndlessLineWithoutAName() async {
        let line =
            #"{"type":"ADDED","object":{"metadata":{"annotations":{"a":""#
            + String(repeating: "x", count: 400_000)
        let text = line + "\n" + event("ADDED", widget("b", 7))
        let run = await watch(
            [list(5, []), Response(200, chunks: chunks(text, of: 4096), end: .stall)], until: 4,
            lineBytes: 320_000)
        #expect(run.events == ["began []", "committed 5 []", "unreadable too_long", "applied b=1"])
    }

    /// What the server would never write. The object is reported as far as it is known.
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
    ]) func reportsAMalformedObjectAlone(object: String, problem: String) async {
        let run = await watch(
            [list(5, []), Response(200, event("ADDED", object)), quiet], until: 3)
        #expect(run.events == ["began []", "committed 5 []", "malformed a: \(problem)"])
        while run.transport.requests.count < 3 { await Task.yield() }
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true, "the version advances: \(run.lines)")
    }

    @Test func bytesThatAreNotUTF8ConcernTheirObjectAlone() async {
        var bytes = Array(event("ADDED", widget("a", 6, note: "NOTE")).utf8)
        if let index = bytes.firstRange(of: Array("NOTE".utf8))?.lowerBound { bytes[index] = 0xFF }
        let run = await watch(
            [
                list(5, []),
                Response(200, chunks: [bytes, Array(event("ADDED", widget("b", 7)).utf8)], end: .stall),
            ], until: 4)
        #expect(
            run.events == [
                "began []", "committed 5 []",
                "malformed a: metadata.annotations.note has characters that are not valid",
                "applied b=1",
            ])
    }

    /// The connection broke off in it: it comes again.
    @Test func anEventThatIsCutOffIsNoEvent() async {
        let whole = event("ADDED", widget("a", 7))
        let run = await watch(
            [
                list(5, []), Response(200, bookmark(6) + String(whole.dropLast(10))),
                Response(200, whole, end: .stall),
            ], until: 3)
        #expect(run.events == ["began []", "committed 5 []", "applied a=1"])
        #expect(run.lines.last?.hasSuffix("resourceVersion=6") == true)
    }

    @Test func itemsOfAListWithoutANameAreCounted() async {
        let run = await watch([list(5, ["{}", "7", widget("a", 1), "null"])], until: 6)
        #expect(
            run.events.prefix(5) == [
                "began []", "applied a=1", "unreadable incomplete", "unreadable incomplete",
                "unreadable incomplete",
            ])
        #expect(run.events.last == "committed 5 [a]")
    }

    private let quiet = Response(200, chunks: [], end: .stall)
}
