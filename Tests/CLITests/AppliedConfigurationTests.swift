import Cryptography
import JSON
import Testing

@testable import CLI
@testable import KubeClient

/// Reconstructs what a manager applied from the object and the fields that the manager owns.
struct AppliedConfigurationTests {
    private func applied(_ fields: String, of object: String) throws -> String {
        let set = try JSONReader.read(FieldSet.self, from: Array(fields.utf8))
        var json = JSONSecretWriter()
        json.beginObject()
        try AppliedConfiguration(replacements: ["spec.recipients": Array("[9]".utf8)])
            .write(set, of: Array(object.utf8), to: &json)
        json.endObject()
        return json.finish().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        // Fields of other managers are omitted. Numbers, escapes and the order inside a value stay unchanged.
        (
            #"{"f:a":{},"f:b":{"f:d":{}}}"#, #"{"b":{"c":1,"d":1.50},"a":"x\u0041\"","e":null}"#,
            #"{"a":"x\u0041\"","b":{"d":1.50}}"#
        ),
        // An atomic field has one owner as a whole. In another container, members have owners.
        (
            #"{"f:spec":{"f:data":{},"f:recipients":{}}}"#, #"{"spec":{"data":{"k":"v"},"recipients":[1]}}"#,
            #"{"spec":{"data":{"k":"v"},"recipients":[9]}}"#
        ),
        (
            #"{"f:metadata":{"f:labels":{},"f:finalizers":{}}}"#,
            #"{"metadata":{"labels":{"foreign":"1"},"finalizers":["foreign"]}}"#,
            #"{"metadata":{"labels":{},"finalizers":[]}}"#
        ),
        (
            #"{"f:labels":{".":{},"f:app.kubernetes.io/name":{}}}"#,
            #"{"labels":{"app.kubernetes.io/name":"db","x":"y"}}"#,
            #"{"labels":{"app.kubernetes.io/name":"db"}}"#
        ),
        // Lists by key, by value, and items that have one owner as a whole.
        (
            #"{"f:l":{"k:{\"kind\":\"D\",\"name\":\"b\"}":{".":{},"f:kind":{},"f:name":{}}}}"#,
            #"{"l":[{"kind":"D","name":"a"},{"name":"b","kind":"D","x":1}]}"#,
            #"{"l":[{"kind":"D","name":"b"}]}"#
        ),
        (
            #"{"f:l":{"k:{\"uid\":\"1\"}":{}}}"#, #"{"l":[{"uid":"2"},{"uid":"1","name":"n"}]}"#,
            #"{"l":[{"uid":"1","name":"n"}]}"#
        ),
        (#"{"f:l":{".":{},"v:\"b\"":{}}}"#, #"{"l":["a","b"]}"#, #"{"l":["b"]}"#),
        ("{}", #"{"a":1}"#, "{}"),
    ])
    func containsTheFieldsOfTheManagerAndNoOthers(fields: String, object: String, expected: String) throws {
        #expect(try applied(fields, of: object) == expected)
    }

    @Test(arguments: [
        (#"{"f:a":{}}"#, "{}"), (#"{"f:a":{"f:b":{}}}"#, #"{"a":{}}"#),
        (#"{"f:a":{"f:b":{}}}"#, #"{"a":[]}"#),
        (#"{"f:l":{"i:0":{}}}"#, #"{"l":[1]}"#), (#"{"f:l":{"v:2":{}}}"#, #"{"l":[1]}"#),
        (#"{"f:l":{"k:{\"a\":1}":{}}}"#, #"{"l":[{"a":2}]}"#), (#"{"f:l":{"k:x":{}}}"#, #"{"l":[{"a":2}]}"#),
        (#"{"f:l":{"k:{}":{}}}"#, #"{"l":[{"a":2}]}"#),
    ])
    func throwsIfTheObjectLacksAnOwnedField(fields: String, object: String) {
        #expect(throws: AppliedConfiguration.ExtractionError.self) { try applied(fields, of: object) }
    }

    @Test func refusesAFieldSetThatNestsTooDeep() {
        let deep =
            String(repeating: #"{"f:a":"#, count: 100_000) + "{}" + String(repeating: "}", count: 100_000)
        #expect(throws: JSONError.self) { try JSONReader.read(FieldSet.self, from: Array(deep.utf8)) }
    }
}
