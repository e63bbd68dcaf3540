import Testing

@testable import KubeClient

@Suite struct DecodedTests {
    private func page(_ items: String...) throws -> [Decoded<Widget>] {
        let text = #"{"metadata":{"resourceVersion":"5"},"items":["# + items.joined(separator: ",") + "]}"
        return try decoded(ListPage<Widget>.self, text).items
    }

    private func problem(_ object: Decoded<Widget>) -> String? {
        if case .malformed(_, _, let problem) = object { problem } else { nil }
    }

    @Test func ignoresUnknownFields() throws {
        let items = try page(
            #"{"kind":"Widget","metadata":{"name":"a","wat":1},"spec":{"size":1,"new":{"x":[]}},"more":null}"#
        )
        guard case .object(let widget) = items[0] else {
            Issue.record("\(items[0])")
            return
        }
        #expect(widget.metadata.name == "a")
        #expect(widget.spec.size == 1)
    }

    @Test func keepsTheListWhenOneObjectIsMalformed() throws {
        let items = try page(
            #"{"metadata":{"name":"a"},"spec":{"size":1}}"#,
            #"{"metadata":{"name":"b","uid":"u"},"spec":{"size":"big"},"status":{"message":"hello"}}"#,
            #"{"metadata":{"name":"c"},"spec":{"size":3}}"#)
        #expect(items.map(\.metadata.name) == ["a", "b", "c"])
        #expect(items.map { problem($0) == nil } == [true, false, true])
        guard case .malformed(let metadata, let status, _) = items[1] else { return }
        #expect(metadata.uid == "u")
        #expect(status?.message == "hello", "the status can still be read")
    }

    static let problems: [(String, String)] = [
        (#"{"metadata":{"name":"a"}}"#, "spec is missing"),
        (#"{"metadata":{"name":"a"},"spec":{}}"#, "spec.size is missing"),
        (#"{"metadata":{"name":"a"},"spec":{"size":null}}"#, "spec.size is null; integer is expected"),
        (#"{"metadata":{"name":"a"},"spec":{"size":"canary"}}"#, "spec.size is not of type integer"),
        (#"{"metadata":{"name":"a"},"spec":{"size":1.5}}"#, "spec.size is not of type integer"),
        (#"{"metadata":{"name":"a"},"spec":{"size":99999999999999999999}}"#, "spec.size is out of range"),
        (#"{"metadata":{"name":"a"},"spec":{"size":1,"on":"canary"}}"#, "spec.on is not of type boolean"),
        (#"{"metadata":{"name":"a"},"spec":[]}"#, "spec is not of type object"),
        (#"{"metadata":{"name":"a"},"spec":{"size":1,"names":{}}}"#, "spec.names is not of type array"),
        (
            #"{"metadata":{"name":"a"},"spec":{"size":1,"names":["x",7]}}"#,
            "spec.names[1] is not of type string"
        ),
    ]

    /// A list, at any index, and a watch report the same text, which ends up in a status.
    @Test(arguments: problems) func describesTheProblemAndItsPath(object: String, expected: String) throws {
        #expect(try problem(decoded(Decoded<Widget>.self, object)) == expected)
        #expect(try problem(page(#"{"metadata":{"name":"0"},"spec":{"size":1}}"#, object)[1]) == expected)
        let event = try decoded(WatchEvent<Widget>.self, #"{"type":"ADDED","object":\#(object)}"#)
        guard case .added(let item) = event else { return }
        #expect(problem(item) == expected)
    }

    @Test func readsAnEmptyListOfMetadata() throws {
        let page = try decoded(
            ListPage<SecretMetadata>.self, #"{"metadata":{"resourceVersion":"5","continue":""},"items":null}"#
        )
        #expect(page.items.isEmpty)
        #expect(page.continueToken == nil)
    }

    @Test func readsTheKeysThatAManagerOwns() throws {
        let meta = try decoded(
            ObjectMeta.self,
            #"""
            {"name":"a","managedFields":[
             {"manager":"secrets-bridge","operation":"Update","fieldsV1":{"f:data":{".":{},"f:x":{}},
              "f:metadata":{"f:labels":{".":{},"f:team":{},"f:a.b/c":{}},"f:annotations":{"f:note":{}}}}},
             {"manager":"secrets-bridge","subresource":"x","fieldsV1":{"f:metadata":{"f:labels":{"f:more":{}}}}},
             {"manager":"kubectl","fieldsV1":{"f:metadata":{"f:labels":{"f:foreign":{}}}}},
             {"manager":"odd","fieldsV1":null},
             {"manager":"odder","fieldsV1":{"f:metadata":{"f:labels":7}}},
             {}]}
            """#)
        let owned = meta.keysOwned(by: "secrets-bridge")
        #expect(owned.labels == ["team", "a.b/c", "more"])
        #expect(owned.annotations == ["note"])
        #expect(meta.keysOwned(by: "kubectl").labels == ["foreign"])
        #expect(meta.managedFields?.count == 6)
    }
}
