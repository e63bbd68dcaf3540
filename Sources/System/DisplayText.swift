// How text from files, clusters and servers is shown on terminals, in logs and in events.

extension Unicode.Scalar {
    /// True if the character is not shown, or changes how the text around it is shown: control characters (C0, DEL, C1),
    /// format characters (bidirectional controls, zero-width characters, tags), line and paragraph separators, and
    /// default-ignorable code points.
    package var isInvisible: Bool {
        if isASCII { return value < 0x20 || value == 0x7F }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return properties.isDefaultIgnorableCodePoint
        }
    }

    /// True if the character changes the direction of the text around it (Unicode Standard Annex 9, 2).
    package var isBidirectionalControl: Bool {
        switch value {
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension String {
    /// The text with each invisible character, tabs and line breaks included, as an escape (`\u{1B}`): it is one line.
    package var escapingInvisibleCharacters: String {
        guard unicodeScalars.contains(where: \.isInvisible) else { return self }
        return unicodeScalars.map { $0.isInvisible ? $0.escaped(asASCII: true) : String($0) }.joined()
    }

    /// Returns the longest prefix of at most `count` bytes of UTF-8 that ends between two scalars. A limit in Characters would
    /// not bound the memory, because a Character can have any number of bytes.
    package func truncated(toUTF8 count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(startIndex, offsetBy: max(count, 0))
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(unicodeScalars[..<end])
    }

    /// The text on one line, for messages that quote names from files and servers: characters that would end the line,
    /// move the cursor or hide text are escaped, and a text of more than 2,000 bytes is cut.
    package var asOneLine: String { asOneLine(limit: 2_000) }

    /// A name from a file or a server, for messages: on one line, cut after 128 bytes.
    package var sanitizedName: String { asOneLine(limit: 128) }

    /// Returns the text with invisible characters as escapes, cut after this many bytes of UTF-8.
    package func asOneLine(limit: Int) -> String {
        // An escape is longer than its character.
        let start = truncated(toUTF8: limit)
        let line = start.escapingInvisibleCharacters
        let isWhole = start.utf8.count == utf8.count && line.utf8.count <= limit
        return isWhole ? line : line.truncated(toUTF8: limit) + "…"
    }
}

extension Collection<String> {
    /// Returns names from files and servers for a message, as in `a, b and 3 more`: the first `limit`, each on one line and cut
    /// after this many bytes, which most paths and key ids do not reach. A message has a bounded size then, however many names
    /// there are and however long they are.
    package func listed(limit: Int = 8, bytes: Int = 512) -> String {
        let shown = prefix(limit).map { $0.asOneLine(limit: bytes) }
            .joined(separator: ", ")
        return count > limit ? "\(shown) and \(count - limit) more" : shown
    }
}

extension StringProtocol where SubSequence == Substring {
    /// Returns the text without the unwanted characters at its ends.
    package func trimming(_ isUnwanted: (Character) -> Bool) -> Substring {
        var text = drop(while: isUnwanted)
        while let last = text.last, isUnwanted(last) { text.removeLast() }
        return text
    }
}
