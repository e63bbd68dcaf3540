package import Cryptography

extension YAMLReader {
    /// Returns whether a field anywhere in a file has one of some values, without white space around them.
    ///
    /// Unlike `documents`, it also reads a file with a key that occurs twice, and one with a syntax error up to the error:
    /// other programs may accept such a file, or the part before the error. The texts of the file may be secret, so they are
    /// compared where they are, without copies. A file that nests deeper than `documents` reads it, or has directives above its
    /// limits, may have any: the time of libyaml is quadratic in them.
    package static func contains(
        field name: String, withOneOf values: [String], in file: borrowing SecretBytes
    ) -> Bool {
        file.withUnsafeBytes { bytes in
            var scan = FieldScan(name, values)
            let text: SourceText
            do throws(YAMLError) {
                text = try SourceText(bytes, name: "")
            } catch {
                // The text has directives that libyaml is not given, and other programs may read.
                return error.code == .syntax
            }
            let events = LibYAMLParser(text)
            while !scan.isFound, !scan.isTooDeep, let event = try? events.next() {
                if case .streamEnd = event.kind { break }
                scan.advance(event)
            }
            return scan.isFound || scan.isTooDeep
        }
    }
}

/// Searches parse events for a field with one of some values. A pure state machine.
private struct FieldScan {
    private struct Collection {
        let isMapping: Bool
        /// True if the last key is the name of the field.
        var isField = false
        var isKeyNext = true
    }

    private let name: [UInt8]
    private let values: [[UInt8]]
    private(set) var isFound = false
    private var open: [Collection] = []
    var isTooDeep: Bool { open.count > NodeComposer.maximumDepth }
    /// The scalars with anchors, whose memory is zeroed when it is released.
    private var anchors: [String: ScalarText] = [:]

    init(_ name: String, _ values: [String]) {
        self.name = Array(name.utf8)
        self.values = values.map { Array($0.utf8) }
    }

    mutating func advance(_ event: ParseEvent) {
        switch event.kind {
        case .streamStart, .streamEnd, .documentEnd: break
        case .documentStart: (open, anchors) = ([], [:])
        case .alias(let anchor): add(anchors[anchor])
        case .scalar(let raw, _, let properties, _):
            // A value that does not match its tag is taken as it is written.
            let text = (try? event.scalar())?.text ?? raw
            if let anchor = properties.anchor { anchors[anchor] = text }
            add(text)
        case .sequenceStart:
            add(nil)
            open.append(Collection(isMapping: false))
        case .mappingStart:
            add(nil)
            open.append(Collection(isMapping: true))
        case .sequenceEnd, .mappingEnd: _ = open.popLast()
        }
    }

    /// Adds a node to the innermost collection.
    private mutating func add(_ text: ScalarText?) {
        guard var collection = open.popLast() else { return }
        defer { open.append(collection) }
        guard collection.isMapping else { return }
        if collection.isKeyNext {
            collection.isField = text.map { Self.equals($0, name) } ?? false
        } else if collection.isField, let text, values.contains(where: { Self.equals(text, $0) }) {
            isFound = true
        }
        collection.isKeyNext.toggle()
    }

    /// Compares a scalar, without the spaces and line breaks around it.
    private static func equals(_ scalar: ScalarText, _ text: [UInt8]) -> Bool {
        scalar.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let blank = blanks.first(where: { rest.starts(with: $0) }) {
                rest = rest.dropFirst(blank.count)
            }
            while let blank = blanks.first(where: { rest.suffix($0.count).elementsEqual($0) }) {
                rest = rest.dropLast(blank.count)
            }
            return rest.elementsEqual(text)
        }
    }

    /// The space, and all line breaks of Unicode, in UTF-8.
    private static let blanks: [[UInt8]] = [
        " ", "\n", "\r", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{2029}",
    ].map {
        Array($0.utf8)
    }
}
