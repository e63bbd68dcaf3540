package import Cryptography

extension YAMLReader {
    /// Returns whether a field anywhere in a file has one of some values, without white space around them.
    ///
    /// Unlike `documents`, it also reads a file with a key that occurs twice, one with a syntax error up to the error, and the other
    /// documents of one with a document that is not text: other programs may accept such a file, or these parts of it. The texts
    /// of the file may be secret, so they are compared where they are, without copies. A file that nests deeper than `documents`
    /// reads it, or has directives above its limits, may have any field: the time of libyaml is quadratic in them.
    package static func contains(
        field name: String, withOneOf values: [String], in file: borrowing SecretBytes
    ) -> Bool {
        file.withUnsafeBytes { bytes in
            let scan = FieldScan(name, values)
            if let answer = scan.mayFind(in: bytes) { return answer }
            return documents(of: bytes).contains { scan.mayFind(in: $0) ?? false }
        }
    }

    /// Splits a file at the lines that begin with `---`, as kubectl does before it parses the documents.
    private static func documents(of file: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        let marker = Array("---".utf8)
        var documents: [UnsafeRawBufferPointer] = []
        var (start, line) = (0, 0)
        while let end = file[line...].firstIndex(of: lineFeed) {
            line = end + 1
            guard file[line...].starts(with: marker) else { continue }
            documents.append(UnsafeRawBufferPointer(rebasing: file[start..<line]))
            start = line
        }
        return documents + [UnsafeRawBufferPointer(rebasing: file[start...])]
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

    /// The two things that a scalar may be.
    private struct Match {
        let isName: Bool
        let isValue: Bool
    }

    private let name: [UInt8]
    private let values: [[UInt8]]
    private var isFound = false
    private var open: [Collection] = []
    private var isTooDeep: Bool { open.count > NodeComposer.maximumDepth }
    /// The scalars with anchors.
    private var anchors: [String: Match] = [:]

    init(_ name: String, _ values: [String]) {
        self.name = Array(name.utf8)
        self.values = values.map { Array($0.utf8) }
    }

    /// Returns true if the field is found, or if it may follow the event at which the search ends. Returns nil if the bytes are
    /// not text.
    func mayFind(in bytes: UnsafeRawBufferPointer) -> Bool? {
        let text: SourceText
        do throws(YAMLError) {
            text = try SourceText(bytes, name: "")
        } catch {
            // Of a syntax error, the text has directives that libyaml is not given, and other programs may read.
            return error.code == .notText ? nil : error.code == .syntax
        }
        if text.mayBeJSON, mayFind(in: JSONEventParser(text, acceptsHalfPairs: true)) == true { return true }
        return mayFind(in: LibYAMLParser(text))
    }

    private func mayFind(in events: some ParseEventStream) -> Bool? {
        var scan = self
        do throws(YAMLError) {
            while !scan.isFound, !scan.isTooDeep {
                let event = try events.next()
                if case .streamEnd = event.kind { return false }
                scan.advance(event)
            }
            return true
        } catch {
            return error.code == .notText ? nil : false
        }
    }

    private mutating func advance(_ event: ParseEvent) {
        switch event.kind {
        case .streamStart, .streamEnd, .documentEnd: break
        case .documentStart: (open, anchors) = ([], [:])
        case .alias(let anchor): add(anchors[anchor])
        case .scalar(let raw, _, let properties, _):
            // A value that does not match its tag is taken as it is written.
            let text = (try? event.scalar())?.text ?? raw
            let match = Match(isName: Self.equals(text, [name]), isValue: Self.equals(text, values))
            if let anchor = properties.anchor { anchors[anchor] = match }
            add(match)
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
    private mutating func add(_ scalar: Match?) {
        guard var collection = open.popLast() else { return }
        defer { open.append(collection) }
        guard collection.isMapping else { return }
        if collection.isKeyNext {
            collection.isField = scalar?.isName ?? false
        } else if collection.isField, scalar?.isValue == true {
            isFound = true
        }
        collection.isKeyNext.toggle()
    }

    /// Compares a scalar, without the spaces and line breaks around it, with some texts.
    private static func equals(_ scalar: ScalarText, _ texts: [[UInt8]]) -> Bool {
        scalar.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let blank = blanks.first(where: { rest.starts(with: $0) }) {
                rest = rest.dropFirst(blank.count)
            }
            while let blank = blanks.first(where: { rest.suffix($0.count).elementsEqual($0) }) {
                rest = rest.dropLast(blank.count)
            }
            return texts.contains { rest.elementsEqual($0) }
        }
    }

    /// The space, and all line breaks of Unicode, in UTF-8.
    private static let blanks: [[UInt8]] = [
        " ", "\n", "\r", "\u{B}", "\u{C}", "\u{85}", "\u{2028}", "\u{2029}",
    ].map {
        Array($0.utf8)
    }
}
