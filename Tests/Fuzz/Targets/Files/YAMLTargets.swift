import Cryptography
import Foundation
import JSON
import TestSupport

@testable import YAML

extension FuzzTarget {
    static let yamlTargets = [
        FuzzTarget("yaml", seeds: yamlSeeds, check: checkYAML),
        FuzzTarget(
            "yaml-edit", maximumLength: 1024,
            seeds: Seeds.joined(
                Seeds.vectors("yaml/edits"),
                Seeds.texts(
                    choices: 5,
                    "# c\nd:\n  a: 'x' # y\n  b: |-\n    t\n  s: [1, {k: \"v\"}]\n---\n- - x\n  - y: &a 1\n",
                    "{\"a\": [\"b\", {\"c\": \"d\"}]}\n")), check: checkEdit),
        FuzzTarget(
            "yaml-text", maximumLength: 512,
            seeds: Seeds.texts("a: b", "0x1f", "\u{85}x\r\n", "- ", "~", "<<"),
            check: checkWrittenYAML),
    ]

    private static let yamlSeeds = Seeds.joined(
        Seeds.texts(
            "a: &x [1, -2.5e3, \"x\\u00e9\"]\nb: *x\n<<: {c: ~}\n? d\n: !!binary QUJD\n",
            "%YAML 1.1\n---\nk: |-\n  x\n...\n",
            "{\"a\": [1, \"\\ud83d\\ude00\"]} \n---\nb: >+\n\n x\n",
            "%TAG !e! tag:e,2000:\n---\n!e!x {a: !<y> b}\n"),
        Seeds.vectors("sops/plain.yaml", "rules/valid", "kubeconfig", upTo: 4096))
}

/// Nodes are where their ranges say, and what is written for them reads as the same values.
@Sendable private func checkYAML(_ input: [UInt8]) throws {
    let file = SecretBytes(copying: input)
    let documents: [YAMLNode]
    switch outcome({ () throws(YAMLError) in try YAMLReader.documents(in: file, source: "f") }) {
    case .success(let found): documents = found
    case .failure(let error):
        try requireMessage(error.description)
        try require(error.line >= 1 && error.column >= 1, "place \(error.line):\(error.column)")
        return
    }
    _ = YAMLReader.unusedAnchors(in: file)
    for document in documents {
        var remaining = 5000
        try requireRanges(document, 0...input.count, &remaining)
        // Aliases multiply nodes, which takes long and shows nothing.
        guard remaining > 0 else { continue }
        let value = JSONValue(document)
        let written = YAMLWriter.write([value])
        let again = try reading(written, "what was written")
        try require(again.count == 1, "\(again.count) documents were written")
        try requireSameValues(document, again[0])
        let twice = revealed(YAMLWriter.write(again.map { JSONValue($0) }))
        try require(
            twice == revealed(written), "another text at the second time: \(twice.text.debugDescription)")
        let json = revealed(JSONWriter.write(document))
        try require(ReferenceJSON.value(json) != nil, "wrote what is not JSON: \(json.text.debugDescription)")
    }
}

private func reading(_ file: borrowing SecretBytes, _ what: String) throws -> [YAMLNode] {
    do throws(YAMLError) {
        return try YAMLReader.documents(in: file, source: "again")
    } catch {
        throw PropertyViolation(
            description: "\(what) cannot be read: \(error): \(revealed(file).text.debugDescription)")
    }
}

private func requireRanges(_ node: YAMLNode, _ outer: ClosedRange<Int>, _ remaining: inout Int) throws {
    remaining -= 1
    guard remaining > 0 else { return }
    let (start, end) = (node.range.start, node.range.end)
    try require(
        start <= end && outer.contains(start) && outer.contains(end), "\(node.range) outside of \(outer)")
    if let entries = node.entries {
        let keys = Set(entries.map { Array($0.key.utf8) })
        try require(keys.count == entries.count, "a key occurs twice")
    }
    guard !node.isAlias else { return }
    for element in node.elements ?? [] { try requireRanges(element, start...end, &remaining) }
    for entry in node.entries ?? [] where !entry.isMerged {
        try requireRanges(entry.value, start...end, &remaining)
    }
}

private func requireSameValues(_ left: YAMLNode, _ right: YAMLNode) throws {
    switch (left.content, right.content) {
    case (.mapping(let mine), .mapping(let others)):
        try require(mine.count == others.count, "\(others.count) pairs of \(mine.count)")
        for (one, other) in zip(mine, others) {
            try require(one.key.utf8.elementsEqual(other.key.utf8), "key \(one.key.debugDescription)")
            try requireSameValues(one.value, other.value)
        }
    case (.sequence(let mine), .sequence(let others)):
        try require(mine.count == others.count, "\(others.count) elements of \(mine.count)")
        for (one, other) in zip(mine, others) { try requireSameValues(one, other) }
    case (.scalar(let one), .scalar(let other)):
        switch one.valueType {
        case .string: try require(other.valueType == .string && one.text.equals(other.text), "string")
        case .null: try require(other.valueType == .null, "null")
        case .bool: try require(other.valueType == .bool && one.bool == other.bool, "bool")
        case .int: try require(one.int == other.int, "integer")
        case .float: try require(other.valueType == .float || other.valueType == .int, "number")
        }
    default: throw PropertyViolation(description: "another type")
    }
}

/// An edit changes the wanted value and no other, or is refused in one line.
@Sendable private func checkEdit(_ input: [UInt8]) throws {
    guard let choices = EditTrial.Choices(input),
        let trial = EditTrial(Array(input.dropFirst(EditTrial.Choices.byteCount)))
    else { return }
    switch trial.outcome(choices) {
    case .notApplicable, .correct: break
    case .refused(let error): try requireMessage(error.problem)
    case .incorrect(let problem): throw PropertyViolation(description: problem)
    }
}

/// Each text is read as itself from each place that it is written to.
@Sendable private func checkWrittenYAML(_ input: [UInt8]) throws {
    let text = input.text
    let value: JSONValue = .object([
        (key: "k", value: .string(text)), (key: "x" + text, value: [.string(text), ["y": .string(text)]]),
    ])
    for documents in [[value], [[.string(text)], value]] {
        for isForEditing in [false, true] {
            let again = try reading(YAMLWriter.write(documents, forEditing: isForEditing), "what was written")
            try require(again.count == documents.count, "\(again.count) documents")
            guard let last = again.last?.entries, last.count == 2 else {
                throw PropertyViolation(description: "another number of pairs")
            }
            let found = [
                last[0].value.string, last[1].value.elements?.first?.string,
                last[1].value.elements?.last?["y"]?.string,
            ]
            for (index, other) in found.enumerated() {
                try require(
                    other.map { $0.utf8.elementsEqual(text.utf8) } == true,
                    "place \(index) of \(text.debugDescription)")
            }
            try require(last[1].key.utf8.elementsEqual(("x" + text).utf8), "key of \(text.debugDescription)")
        }
    }
}
