package import Cryptography
import System

extension YAMLReader {
    /// Returns the texts that are values of a field anywhere in a file.
    ///
    /// Unlike `documents`, it also reads a file with a key that occurs twice, and one with a syntax error up to the error:
    /// other programs may accept such a file, or the part before the error. Returns nil for a file that nests deeper than
    /// `documents` reads it: the time of libyaml is quadratic in the depth.
    package static func values(ofField name: String, in file: borrowing SecretBytes) -> Set<String>? {
        file.withUnsafeBytes { bytes in
            var scan = FieldScan(name)
            guard let text = try? SourceText(bytes, name: "") else { return [] }
            let events = LibYAMLParser(text)
            while !scan.isTooDeep, let event = try? events.next() {
                if case .streamEnd = event.kind { break }
                scan.advance(event)
            }
            return scan.isTooDeep ? nil : scan.values
        }
    }
}

/// Collects the values of a field from parse events. A pure state machine.
private struct FieldScan {
    private struct Collection {
        let isMapping: Bool
        var key: String?
        var isKeyNext = true
    }

    private let name: String
    private(set) var values: Set<String> = []
    private var open: [Collection] = []
    var isTooDeep: Bool { open.count > NodeComposer.maximumDepth }
    /// The texts of scalars with anchors.
    private var anchors: [String: String] = [:]
    /// Longer texts are neither keys nor values that are searched.
    private static let maximumBytes = 256

    init(_ name: String) { self.name = name }

    mutating func advance(_ event: ParseEvent) {
        switch event.kind {
        case .streamStart, .streamEnd, .documentEnd: break
        case .documentStart: (open, anchors) = ([], [:])
        case .alias(let anchor): add(anchors[anchor])
        case .scalar(let raw, _, let properties, _):
            let text = Self.text(event, raw)
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

    private static func text(_ event: ParseEvent, _ raw: ScalarText) -> String? {
        guard raw.count <= maximumBytes else { return nil }
        // A value that does not match its tag is taken as it is written.
        let scalar = (try? event.scalar())?.text ?? raw
        let text = scalar.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return String(text.trimming { $0 == " " || $0.isNewline })
    }

    /// Adds a node to the innermost collection.
    private mutating func add(_ text: String?) {
        guard var collection = open.popLast() else { return }
        defer { open.append(collection) }
        guard collection.isMapping else { return }
        if collection.isKeyNext {
            collection.key = text
        } else if collection.key == name, let text {
            values.insert(text)
        }
        collection.isKeyNext.toggle()
    }
}
