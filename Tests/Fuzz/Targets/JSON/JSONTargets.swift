import Cryptography
import Foundation
import JSON

extension FuzzTarget {
    static let jsonTargets = [
        FuzzTarget("json", seeds: jsonSeeds, check: checkJSONValue),
        FuzzTarget("json-members", seeds: jsonSeeds, check: checkMembers),
        FuzzTarget(
            "json-text", seeds: Seeds.texts("a", "é\u{2028}\"\\\n", "\u{FEFF}x"), check: checkWrittenText),
    ]

    private static let jsonSeeds = Seeds.joined(
        Seeds.texts(
            #"{"a": [1, -2.5e3, 0, "x\u00e9\ud83d\ude00\n"], "b": {"c": null, "d": [true, false, {}]}, "e": []}"#,
            #"{"name":"a","flag":true,"number":-9223372036854775808,"list":["a","\/"],"map":{"a":"b"}}"#,
            #"[[[[{}]]]]"#, #""\ud800""#, "1e400", "-0", "\u{FEFF}null", #"{"é":1,"e\u0301":2}"#),
        Seeds.vectors("envelope/names.json", "sops/plain.json", upTo: 4096))
}

/// The tree is the reference's, and of a document that is refused the reference has a reason.
@Sendable private func checkJSONValue(_ input: [UInt8]) throws {
    let reference = ReferenceJSON.value(input)
    switch outcome({ () throws(JSONError) in try JSONValue(parsing: SecretBytes(copying: input)) }) {
    case .success(let value):
        guard let reference else { throw PropertyViolation(description: "accepted what is not JSON") }
        try requireEqual(value, reference)
        try requireWritten(value)
    case .failure(let error):
        try requireMessage(error.description)
        try require((0...input.count).contains(error.offset), "offset \(error.offset) of \(input.count)")
        let isLarge = error.problem == .limitExceeded && input.count > JSONLimits().maximumValues
        let isRefusable = isLarge || reference.map { hasEqualKeys($0) } ?? true
        try require(isRefusable, "refused JSON: \(error)")
    }
}

private func requireEqual(_ value: JSONValue, _ reference: ReferenceJSON.Value) throws {
    switch (value, reference) {
    case (.null, .null): break
    case (.bool(let value), .bool(let other)): try require(value == other, "bool")
    case (.int(let value), .number(let text)):
        try require(Int(text.text) == value, "integer \(value) of \(text.text)")
    case (.number(let value), .number(let text)):
        try require(value == text.text && Int(value) == nil, "number \(value) of \(text.text)")
    case (.secret(let value), .string(let text)):
        try require(revealed(value.bytes.bytes) == text, "string of \(text.text.debugDescription)")
    case (.array(let elements), .array(let others)):
        try require(elements.count == others.count, "\(elements.count) elements")
        for (element, other) in zip(elements, others) { try requireEqual(element, other) }
    case (.object(let members), .object(let others)):
        try require(members.count == others.count, "\(members.count) members")
        for (member, other) in zip(members, others) {
            try require(Array(member.key.utf8) == other.key, "key of \(other.key.text.debugDescription)")
            try requireEqual(member.value, other.value)
        }
    default: throw PropertyViolation(description: "another type")
    }
}

/// The writer writes the value that was read.
private func requireWritten(_ value: JSONValue) throws {
    let written = revealed(JSONWriter.write([value]))
    guard let again = ReferenceJSON.value(written) else {
        throw PropertyViolation(description: "wrote what is not JSON: \(written.text.debugDescription)")
    }
    // Numbers may be written in another way: -0 is read as the integer 0.
    try requireEqual(value, again)
}

/// Returns true if an object has keys that are equal to Swift, which compares them by canonical equivalence.
private func hasEqualKeys(_ value: ReferenceJSON.Value) -> Bool {
    switch value {
    case .array(let elements): elements.contains(where: hasEqualKeys)
    case .object(let members):
        Set(members.map(\.key.text)).count != members.count || members.contains { hasEqualKeys($0.value) }
    default: false
    }
}

/// An object as the types of the project read theirs.
private struct Sample: JSONReadable, Equatable {
    var name: String?
    var flag: Bool?
    var number: Int64?
    var list: [String]?
    var map: [String: String]?
    var raw: [UInt8]?

    init(json: inout JSONReader) throws(JSONError) {
        try json.readObject { key, json throws(JSONError) in
            switch key {
            case "name": name = try json.readOptional()
            case "flag": flag = try json.readIfValid()
            case "number": number = try json.readOptional()
            case "list": list = try json.readOptional()
            case "map": map = try json.readOptional()
            case "raw": raw = Array(try json.readRawValue())
            default: break
            }
        }
    }
}

/// Members are those of the tree; values that are not read are skipped to their end.
@Sendable private func checkMembers(_ input: [UInt8]) throws {
    let result = outcome { () throws(JSONError) in
        try SecretBytes(copying: input).withUnsafeBytes { bytes throws(JSONError) in
            try JSONReader.read(Sample.self, from: bytes)
        }
    }
    guard let reference = ReferenceJSON.value(input), case .object(let members) = reference else {
        // Bytes that are not UTF-8 and depth are accepted in what is skipped.
        if case .failure(let error) = result { try requireMessageOfStatus(error.description) }
        return
    }
    func last(_ key: String) -> ReferenceJSON.Value? { members.last { $0.key == Array(key.utf8) }?.value }
    switch result {
    case .success(let sample):
        if case .string(let text)? = last("name") {
            try require(sample.name.map { Array($0.utf8) } == text, "name")
        } else {
            try require(sample.name == nil, "name of another type")
        }
        if case .bool(let flag)? = last("flag") { try require(sample.flag == flag, "flag") }
        if case .number(let text)? = last("number"), let number = Int64(text.text) {
            try require(sample.number == number, "number")
        }
        if let raw = sample.raw { try require(ReferenceJSON.value(raw) == last("raw"), "raw value") }
    case .failure(let error):
        try requireMessageOfStatus(error.description)
        try require(!error.isSyntax, "refused the syntax of JSON: \(error)")
    }
}

/// Each text that is written is read as itself, by Foundation too.
@Sendable private func checkWrittenText(_ input: [UInt8]) throws {
    let text = input.text
    let value = JSONValue.object([(key: "k" + text, value: .array([.string(text)]))])
    let written = revealed(JSONWriter.write([value]))
    let expected = ReferenceJSON.Value.object([
        .init(key: Array(("k" + text).utf8), value: .array([.string(Array(text.utf8))]))
    ])
    try require(ReferenceJSON.value(written) == expected, "wrote another text")
    let object = try? JSONSerialization.jsonObject(with: Data(written))
    try require(object != nil, "Foundation refuses \(written.text.debugDescription)")
}
