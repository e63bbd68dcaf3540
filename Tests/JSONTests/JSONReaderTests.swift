import Testing

@testable import JSON

struct JSONReaderTests {
    private func read<Value: JSONReadable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONReader.read(type, from: Array(text.utf8))
    }

    private func problem<Value: JSONReadable>(_ type: Value.Type, _ bytes: [UInt8]) -> JSONError.Problem? {
        do throws(JSONError) {
            _ = try JSONReader.read(type, from: bytes)
            return nil
        } catch {
            return error.problem
        }
    }

    private func problem<Value: JSONReadable>(_ type: Value.Type, _ text: String) -> JSONError.Problem? {
        problem(type, Array(text.utf8))
    }

    /// Reads nothing.
    struct Anything: JSONReadable {
        init(json: inout JSONReader) throws(JSONError) { try json.skipValue() }
    }

    struct Pair: JSONReadable, Equatable {
        var a: Int64?
        var b: String?

        init(json: inout JSONReader) throws(JSONError) {
            try json.readObject { key, json throws(JSONError) in
                switch key {
                case "a": a = try json.readOptional()
                case "b": b = try json.readOptional()
                default: break
                }
            }
        }
    }

    @Test func readsMembersInAnyOrderAndSkipsOthers() throws {
        let pair = try read(
            Pair.self, "\n{ \"x\" : [1, {\"a\":2}], \"b\":\"é\\n\" ,\t\"a\":-7,\"y\":null}\r\n")
        #expect(pair.a == -7)
        #expect(pair.b == "é\n")
    }

    @Test func usesTheLastOfEqualKeys() throws {
        #expect(try read(Pair.self, #"{"a":1,"b":"x","a":2}"#).a == 2)
        #expect(try read(Pair.self, #"{"a":1,"a":null}"#).a == nil)
        #expect(try read([String: Int64].self, #"{"k":1,"k":3}"#) == ["k": 3])
    }

    @Test func keepsAByteOrderMarkInAString() throws {
        let pair = try read(Pair.self, "{\"b\":\"\u{FEFF}\"}")
        #expect(pair.b.map { Array($0.utf8) } == [0xEF, 0xBB, 0xBF])
    }

    @Test func comparesKeysWithEscapes() throws {
        #expect(try read(Pair.self, #"{"\u0061":5,"a\u0000":6}"#).a == 5)
    }

    @Test(arguments: [
        (#""a\"b\\c\/d\b\f\n\r\t""#, "a\"b\\c/d\u{8}\u{C}\n\r\t"), (#""\u00e9\u20AC""#, "é€"),
        (#""\ud83d\ude00""#, "😀"), (#""\u0000""#, "\u{0}"), (#""\\\\""#, "\\\\"), (#""""#, ""),
        (#""\u003c\u2028""#, "<\u{2028}"),
    ]) func unescapes(text: String, expected: String) throws {
        #expect(try read(String.self, text) == expected)
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\u0041""#, #""\ud83d\ud83d""#, #""\u12g4""#,
        #""\x""#,
        #""\u12""#, "\"a\nb\"", "\"a\u{0}b\"",
    ]) func rejectsInvalidStringsThatAreRead(text: String) {
        #expect(problem(String.self, text) == .invalidString)
        #expect(problem(Anything.self, text) == nil, "it is not read")
    }

    @Test func rejectsBytesThatAreNotUTF8OnlyInStringsThatAreRead() throws {
        for bytes: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF5, 0x80, 0x80, 0x80]] {
            let string = [0x22] + bytes + [0x22]
            #expect(problem(String.self, string) == .invalidString)
            #expect(problem(Anything.self, string) == nil)
            let pair = try JSONReader.read(
                Pair.self, from: Array(#"{"z":"#.utf8) + string + Array(#","a":1}"#.utf8))
            #expect(pair.a == 1)
        }
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}", "{,}", "{a:1}",
        "[}",
        "{\"a\":[1}", "[1 2]", "\"a", "\"a\\\"", "tru", "truex", "nul", "-", "01", "1.", ".5", "1e", "1e+",
        "+1",
        "1 1", "{} {}", "\u{FEFF}{}", "'a'", "NaN", "[1]]", "{\"a\" 1}", "//", "\u{0}",
    ]) func rejectsTextThatIsNotJSON(text: String) {
        #expect(problem(Anything.self, text) == .syntax)
    }

    @Test(arguments: [
        #"{"a":1,}"#, #"{"a":1 "b":""}"#, "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1"#, #"{"a":1]"#, #"{a:1}"#,
        #"{"a":1,,"b":""}"#, #"{"x":1,}"#, #"{"x":[1,]}"#,
    ]) func rejectsAnObjectThatIsNotJSONWhileItIsRead(text: String) {
        #expect(problem(Pair.self, text) == .syntax)
    }

    @Test(arguments: ["[1,]", "[1 2]", "[,]", "[1", "[1}", "[,1]", "[1,,2]"])
    func rejectsAnArrayThatIsNotJSONWhileItIsRead(text: String) {
        #expect(problem([Int64].self, text) == .syntax)
    }

    @Test(arguments: [
        "0", "-0", "12", "1.5", "-1.5e-10", "1E+400", "true", "false", "null", "\"\"", "[]", "{}", "[[],{}]",
        "{\"a\":{\"b\":[{},[1,2,{\"c\":null}]]},\"d\":\"]}\"}", "[\"\\\"\",\"\\\\\"]",
    ]) func skipsAnyValue(text: String) {
        #expect(problem(Anything.self, text) == nil)
        #expect(problem([Anything].self, "[\(text), \(text)]") == nil)
    }

    @Test func readsIntegersInTheirRange() throws {
        #expect(try read(Int64.self, "9223372036854775807") == .max)
        #expect(try read(Int64.self, "-9223372036854775808") == .min)
        #expect(try read(Int64.self, "-0") == 0)
        for text in ["9223372036854775808", "-9223372036854775809", String(repeating: "9", count: 10_000)] {
            #expect(problem(Int64.self, text) == .outOfRange)
            #expect(problem(Anything.self, text) == nil)
        }
        for text in ["1.0", "1e3", "\"1\"", "true"] {
            #expect(problem(Int64.self, text) == .typeMismatch(expected: .integer))
        }
    }

    /// Values that are not read may nest to any depth: no stack and no check limits it.
    @Test(arguments: [#"{"a": [1, "x\"]"]}"#, "[]", #""te\u0041xt""#, "-1.5e3", "null", "true"])
    func rawValuesAreTheBytesOfOneValue(text: String) throws {
        struct Raw: JSONReadable {
            let bytes: [UInt8]

            init(json: inout JSONReader) throws(JSONError) { bytes = Array(try json.readRawValue()) }
        }
        let read = try JSONReader.read([Raw].self, from: Array("[ \(text) , 1]".utf8))
        #expect(read.map { String(decoding: $0.bytes, as: UTF8.self) } == [text, "1"])
    }

    @Test(arguments: [63, 64, 65, 128, 600, 100_000]) func skipsAnyDepth(depth: Int) throws {
        let arrays = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        let objects = String(repeating: #"{"k":"#, count: depth) + "0" + String(repeating: "}", count: depth)
        let mixed = String(repeating: #"[{"k":"#, count: depth) + "0" + String(repeating: "}]", count: depth)
        for value in [arrays, objects, mixed] {
            #expect(try read(Pair.self, #"{"x":\#(value),"a":1}"#).a == 1)
            #expect(problem(Anything.self, String(value.dropLast())) == .syntax)
        }
        let wrong = String(repeating: #"[{"k":"#, count: depth) + "0" + String(repeating: "]}", count: depth)
        #expect(problem(Anything.self, wrong) == .syntax)
    }

    @Test(arguments: [
        (#"{"x":{"a":1}}"#, "x.k is missing"), (#"{"x":{"k":"canary"}}"#, "x.k is not of type integer"),
        (#"{"x":{"k":null}}"#, "x.k is null; integer is expected"),
        (#"{"x":{"k":99999999999999999999}}"#, "x.k is out of range"),
        (#"{"x":[]}"#, "x is not of type object"),
        (#"[]"#, "the object is not of type object"),
        (#"{"x":{"k":1},"l":[1,"canary"]}"#, "l[1] is not of type integer"),
        (#"{"x":{"k":canary}}"#, "x.k is not valid JSON"), ("", "the object is not valid JSON"),
    ]) func reportsProblemAndPath(text: String, expected: String) {
        struct Inner: JSONReadable {
            init(json: inout JSONReader) throws(JSONError) {
                var k: Int64?
                try json.readObject { key, json throws(JSONError) in if case "k" = key { k = try json.read() }
                }
                _ = try json.require(k, "k")
            }
        }
        struct Outer: JSONReadable {
            init(json: inout JSONReader) throws(JSONError) {
                try json.readObject { key, json throws(JSONError) in
                    switch key {
                    case "x": _ = try json.read(Inner.self)
                    case "l": _ = try json.read([Int64].self)
                    default: break
                    }
                }
            }
        }
        do {
            _ = try read(Outer.self, text)
            Issue.record("\(text) was read")
        } catch {
            #expect("\(error)" == expected)
        }
    }

    @Test func skipsValuesOfAnotherShape() throws {
        struct Loose: JSONReadable {
            var values: [Int64?] = []
            init(json: inout JSONReader) throws(JSONError) {
                try json.readArray { json throws(JSONError) in values.append(try json.readIfValid()) }
            }
        }
        #expect(try read(Loose.self, #"[1,"x",{"a":[1]},2,null,1.5]"#).values == [1, nil, nil, 2, nil, nil])
        #expect(problem(Loose.self, "[1,") == .syntax)
    }

    @Test func truncatesLongKeysInErrors() {
        let key = String(repeating: "k", count: 100_000)
        do {
            _ = try read([String: Int64].self, #"{"\#(key)":"x"}"#)
        } catch {
            #expect("\(error)".utf8.count < 400)
        }
    }

    /// Strings are examined eight bytes at a time, and long ones otherwise than short ones.
    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, 17, 119, 127, 128, 129, 136, 300])
    func readsAStringWhateverTheOffsetOfItsSpecialCharacter(length: Int) throws {
        for special in ["", "é", "\\n", "\\u00e9", "\\\"", "\u{7F}"] {
            for index in Set([0, 3, length / 2, length]).filter({ $0 <= length }) {
                let text =
                    String(repeating: "a", count: index) + special
                    + String(repeating: "b", count: length - index)
                let expected = text.replacing("\\n", with: "\n").replacing("\\u00e9", with: "é")
                    .replacing("\\\"", with: "\"")
                #expect(try read(String.self, "\"\(text)\"") == expected)
                #expect(try read([String: Int64].self, "{\"\(text)\":1}") == [expected: 1])
                #expect(problem(Anything.self, "[\"\(text)\",{\"\(text)\":1}]") == nil)
            }
            #expect(problem(String.self, "\"" + String(repeating: "a", count: length) + special) == .syntax)
        }
        for byte: UInt8 in [0x00, 0x1F, 0x0A] {
            let text = [0x22] + [UInt8](repeating: 0x61, count: length) + [byte, 0x22]
            #expect(problem(String.self, text) == .invalidString)
        }
    }

    @Test func sharesOnlyEqualStringsOfAList() throws {
        struct Shared: JSONReadable {
            var texts: [String] = []

            init(json: inout JSONReader) throws(JSONError) {
                json.shareStrings()
                try json.readObject { key, json throws(JSONError) in
                    texts += [try json.text(of: key), try json.readString()]
                }
            }
        }
        let expected = (0..<2000).map { "a text of more than sixteen bytes \($0 % 300 * 7)" }
        let pairs = expected.map { "\"\($0)\":\"\($0)\"" }.joined(separator: ",")
        #expect(try read(Shared.self, "{\(pairs)}").texts == expected.flatMap { [$0, $0] })
    }

    @Test func readsAKeyWithoutItsPrefix() throws {
        struct Keys: JSONReadable {
            var keys: [String?] = []

            init(json: inout JSONReader) throws(JSONError) {
                try json.readObject { key, json throws(JSONError) in
                    keys.append(json.text(of: key, droppingPrefix: "f:"))
                }
            }
        }
        let text =
            #"{"f:a":0,"f:":0,"f":0,".":0,"":0,"k:{\"uid\":1}":0,"f:é":0,"\u0066:b":0,"f:\n":0,"f:\x":0}"#
        #expect(try read(Keys.self, text).keys == ["a", "", nil, nil, nil, nil, "é", "b", "\n", nil])
    }
}
