import Cryptography
package import YAML

/// One edit of one text, chosen by numbers, and the check that it set the intended value and kept all others. It compares
/// whole documents, whereas the editor's own verifier compares events.
package struct EditTrial {
    package enum Outcome: Equatable {
        /// The text has no node for this edit.
        case notApplicable
        case refused(SourceEditError)
        case correct
        case incorrect(String)
    }

    /// The first five bytes of a fuzzing input.
    package struct Choices {
        package let operation: UInt8
        package let place: Int
        package let first: UInt8
        package let second: UInt8

        package init(operation: UInt8, place: Int, first: UInt8, second: UInt8) {
            self.operation = operation
            self.place = place
            self.first = first
            self.second = second
        }

        /// Takes the choices from the beginning of an input, which has at least five bytes.
        package init?(_ input: [UInt8]) {
            guard input.count >= Self.byteCount else { return nil }
            self.init(
                operation: input[0], place: Int(input[1]) << 8 | Int(input[2]), first: input[3],
                second: input[4])
        }

        package static let byteCount = 5
    }

    private struct Place {
        let node: YAMLNode
        let path: [String]
        let document: Int
    }

    private typealias Check = (YAMLNode) -> String?

    private let bytes: [UInt8]
    private let documents: [YAMLNode]
    private let places: [Place]

    package var placeCount: Int { places.count }

    /// Returns nil if the text cannot be read.
    package init?(_ bytes: [UInt8]) {
        let read = try? YAMLReader.documents(in: SecretBytes(copying: bytes), source: "stdin")
        guard let documents = read, !documents.isEmpty else { return nil }
        self.bytes = bytes
        self.documents = documents
        var places: [Place] = []
        for (index, document) in documents.enumerated() { Self.collect(document, [], index, &places) }
        self.places = places
    }

    private static func collect(_ node: YAMLNode, _ path: [String], _ document: Int, _ places: inout [Place])
    {
        guard places.count < 500 else { return }
        places.append(Place(node: node, path: path, document: document))
        for (index, element) in (node.elements ?? []).enumerated() {
            collect(element, path + ["\(index)"], document, &places)
        }
        for entry in node.entries ?? [] { collect(entry.value, path + [entry.key], document, &places) }
    }

    package static let texts: [String] = [
        "v", "vault:v2:AAAA", "new value", "", "yes", "0x10", "~", "a: b", "- x", "#c", "x #y", "'", "\"",
        "a'b", "\\", "a\nb", "a\n", "\n", " x", "x ", "é", "\u{85}", "\u{2028}", "\t", "*a", "&a", "!t", "%x",
        "@x", "`", "{", "}", "[", "]", ",", "?", ":", "-", "---", "...", "<<", "=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "local:5fd519e0", "a:b", "a:", "null", "1.5", ".inf",
        "😀", "\u{FEFF}", "\u{0}", "\u{7F}", "\r\n",
    ]

    package func outcome(_ choices: Choices) -> Outcome {
        let file = SharedSecret(copying: bytes)
        var editor = SourceEditor(file)
        let edited: (place: Place, check: Check)?
        let output: SharedSecret
        do throws(SourceEditError) {
            switch choices.operation % 4 {
            case 0: edited = try replace(choices, &editor)
            case 1: edited = try changeElements(choices, &editor)
            case 2: edited = try changePairs(choices, &editor)
            default: edited = try nest(choices, &editor)
            }
            guard edited != nil else { return .notApplicable }
            output = try editor.verified()
        } catch {
            return .refused(error)
        }
        guard let edited else { return .notApplicable }
        let shown = output.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self).debugDescription }
        guard let again = try? YAMLReader.documents(in: output.bytes, source: "edited") else {
            return .incorrect("cannot be read: \(shown)")
        }
        guard again.count == documents.count else { return .incorrect("other documents: \(shown)") }
        for (index, (old, new)) in zip(documents, again).enumerated() {
            let outside = index == edited.place.document ? [edited.place.path] : []
            if let place = new.difference(from: old, outside: outside) {
                return .incorrect("differs at \(place): \(shown)")
            }
        }
        guard let node = Self.node(at: edited.place.path, in: again[edited.place.document]) else {
            return .incorrect("is missing: \(shown)")
        }
        return edited.check(node).map { .incorrect("\($0): \(shown)") } ?? .correct
    }

    private static func node(at path: [String], in root: YAMLNode) -> YAMLNode? {
        var node: YAMLNode? = root
        for key in path {
            if let elements = node?.elements {
                node = Int(key).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
            } else {
                node = node?.entries?.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
            }
        }
        return node
    }

    private func pick(_ choices: Choices, _ isFitting: (Place) -> Bool) -> Place? {
        let fitting = places.filter(isFitting)
        return fitting.isEmpty ? nil : fitting[choices.place % fitting.count]
    }

    private func text(_ choice: UInt8) -> String { Self.texts[Int(choice) % Self.texts.count] }

    private static func isText(_ node: YAMLNode?, _ text: String) -> Bool {
        node?.string.map { $0.utf8.elementsEqual(text.utf8) } == true
    }

    private func replace(
        _ choices: Choices, _ editor: inout SourceEditor
    ) throws(SourceEditError) -> (Place, Check)? {
        let wanted = text(choices.first)
        guard let place = pick(choices, { !$0.path.isEmpty && $0.node.scalar?.valueType == .string }) else {
            return nil
        }
        try editor.replace(place.node, with: wanted)
        return (place, { Self.isText($0, wanted) ? nil : "is not \(wanted.debugDescription)" })
    }

    private func changeElements(
        _ choices: Choices, _ editor: inout SourceEditor
    ) throws(SourceEditError) -> (Place, Check)? {
        guard let place = pick(choices, { $0.node.elements?.isEmpty == false }),
            let elements = place.node.elements
        else { return nil }
        let removed = Set(elements.indices.filter { choices.first >> ($0 % 8) & 1 == 1 })
        let added =
            choices.second & 1 == 1
            ? [
                [(key: "keyID", value: "k1"), (key: "wrappedKey", value: text(choices.second))],
                [(key: "keyID", value: "k2"), (key: "wrappedKey", value: "w2")],
            ] : []
        guard !(removed.isEmpty && added.isEmpty), removed.count < elements.count || !added.isEmpty else {
            return nil
        }
        try editor.change(place.node, removing: removed, appending: added)
        let kept = elements.indices.filter { !removed.contains($0) }.map { elements[$0] }
        func check(_ node: YAMLNode) -> String? {
            guard let new = node.elements, new.count == kept.count + added.count else { return "elements" }
            let isKept = zip(kept, new).allSatisfy { $1.difference(from: $0, outside: []) == nil }
            let isAdded = zip(added, new.dropFirst(kept.count)).allSatisfy { fields, node in
                node.entries?.count == fields.count
                    && fields.allSatisfy { Self.isText(node[$0.key], $0.value) }
            }
            return isKept && isAdded ? nil : "other elements"
        }
        return (place, check)
    }

    private func changePairs(
        _ choices: Choices, _ editor: inout SourceEditor
    ) throws(SourceEditError) -> (Place, Check)? {
        guard let place = pick(choices, { $0.node.entries?.isEmpty == false }),
            let entries = place.node.entries
        else { return nil }
        let gone = entries.indices.filter { choices.first >> ($0 % 8) & 1 == 1 }
        let removed = Set(gone.map { entries[$0].key })
        let added =
            choices.second & 1 == 1
            ? [(key: "zz.new", value: text(choices.second)), (key: "ZZ-2", value: "v")] : []
        guard !(removed.isEmpty && added.isEmpty), removed.count < entries.count || !added.isEmpty else {
            return nil
        }
        try editor.change(
            pairsOf: place.node, removing: removed, appending: added.map { ($0.key, .string($0.value)) })
        let kept = entries.filter { !removed.contains($0.key) }
        func check(_ node: YAMLNode) -> String? {
            guard let new = node.entries, new.count == kept.count + added.count else { return "pairs" }
            let isKept = zip(kept, new).allSatisfy {
                $0.key.utf8.elementsEqual($1.key.utf8)
                    && $1.value.difference(from: $0.value, outside: []) == nil
            }
            let isAdded = zip(added, new.dropFirst(kept.count)).allSatisfy {
                $0.key == $1.key && Self.isText($1.value, $0.value)
            }
            return isKept && isAdded ? nil : "other pairs"
        }
        return (place, check)
    }

    private func nest(
        _ choices: Choices, _ editor: inout SourceEditor
    ) throws(SourceEditError) -> (Place, Check)? {
        let wanted = text(choices.first)
        guard
            let place = pick(choices, { $0.node.entries?.isEmpty == false && $0.node["data"] == nil }),
            let entries = place.node.entries
        else { return nil }
        try editor.change(
            pairsOf: place.node, removing: [],
            appending: [("data", .mapping([("b", wanted), ("a", "v")]))])
        func check(_ node: YAMLNode) -> String? {
            guard let new = node.entries, new.count == entries.count + 1, let last = new.last else {
                return "pairs"
            }
            let isKept = zip(entries, new).allSatisfy {
                $1.value.difference(from: $0.value, outside: []) == nil
            }
            let isAdded =
                last.key == "data" && Self.isText(last.value["b"], wanted)
                && Self.isText(last.value["a"], "v")
            return isKept && isAdded ? nil : "other pairs"
        }
        return (place, check)
    }
}
