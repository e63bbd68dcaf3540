import Cryptography
import Foundation
import Testing

@testable import KubeClient

/// Foundation's JSON parser has to read the written text.
@Suite struct JSONSecretWriterTests {
    private func parse(_ build: (inout JSONSecretWriter) -> Void) throws -> Any {
        var writer = JSONSecretWriter()
        build(&writer)
        return try JSONSerialization.jsonObject(
            with: writer.finish().withUnsafeBytes { Data($0) }, options: .fragmentsAllowed)
    }

    @Test func writesNestedValues() throws {
        let value = try parse { json in
            json.beginObject()
            json.key("a")
            json.beginArray()
            json.string("x")
            json.beginObject()
            json.endObject()
            json.beginArray()
            json.endArray()
            json.number(-9_007_199_254_740_993)
            json.bool(true)
            json.bool(false)
            json.encoded(Array(#"{"z":[1]}"#.utf8))
            json.endArray()
            json.key("b")
            json.beginObject()
            json.key("c")
            json.base64(SecretBytes(copying: "hello?".utf8))
            json.key("d")
            json.base64(SecretBytes(copying: []))
            json.endObject()
            json.endObject()
        }
        let expected: NSDictionary = [
            "a": ["x", [:] as NSDictionary, [] as NSArray, -9_007_199_254_740_993, true, false, ["z": [1]]]
                as NSArray,
            "b": ["c": "aGVsbG8/", "d": ""],
        ]
        #expect(value as? NSDictionary == expected)
    }

    @Test func escapesStrings() throws {
        let all = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) }))
        for text in [all, "\"\\/\u{8}\u{c}\n\r\t", "\u{2028}\u{FEFF}🔑é", "e\u{301}"] {
            let value = try #require(try parse { $0.string(text) } as? String)
            #expect(value.unicodeScalars.elementsEqual(text.unicodeScalars))
        }
    }

    @Test func writesPatchesAsJSON() throws {
        let patch = JSONPatch { patch in
            patch.test("/metadata/uid", "u\"")
            patch.replace("/a", "b")
            patch.add("/labels" + JSONPatch.pointer("a/b~c", "~1"), "v")
            patch.remove("/x")
            patch.operation("add", "/data") { json in
                json.beginObject()
                json.key("k")
                json.base64(SecretBytes(copying: [255]))
                json.endObject()
            }
        }
        let expected: NSArray = [
            ["op": "test", "path": "/metadata/uid", "value": "u\""],
            ["op": "replace", "path": "/a", "value": "b"],
            ["op": "add", "path": "/labels/a~1b~0c/~01", "value": "v"],
            ["op": "remove", "path": "/x"],
            ["op": "add", "path": "/data", "value": ["k": "/w=="]] as NSDictionary,
        ]
        #expect(try json(patch.body) as? NSArray == expected)
    }

    @Test func writesAnEmptyPatchAsAnEmptyArray() throws {
        #expect(try json(JSONPatch { _ in }.body) as? NSArray == [])
    }

    @Test func escapesPointersByScalar() {
        #expect(JSONPatch.pointer("/\u{301}~\u{301}").utf8.elementsEqual("/~1\u{301}~0\u{301}".utf8))
    }
}
