/// How text out of files, clusters and servers is shown: on a terminal, in logs, in events. One rule for all of them.
extension Unicode.Scalar {
    /// Whether the character does something to the text around it instead of being shown: it moves the cursor, ends the
    /// line, turns the direction around or has no width. Control characters (C0, DEL, C1), format characters
    /// (bidirectional controls, zero-width ones, tags), line and paragraph separators, and what fonts leave out.
    package var isInvisible: Bool {
        if isASCII { return value < 0x20 || value == 0x7F }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return properties.isDefaultIgnorableCodePoint
        }
    }

    /// Turns the direction of the text around it, or of a part of it (Unicode Standard Annex 9, 2).
    package var isBidirectionalControl: Bool {
        switch value {
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}

extension String {
    /// The text with each invisible character written as an escape (`\u{1B}`). A tab and a line break are such
    /// characters too; one line stays one.
    package var escapingInvisibleCharacters: String {
        guard unicodeScalars.contains(where: \.isInvisible) else { return self }
        return unicodeScalars.map { $0.isInvisible ? $0.escaped(asASCII: true) : String($0) }.joined()
    }

    /// The text as a string of JSON (RFC 8259, 7), invisible characters as escapes too: whatever prints the JSON as it is
    /// does not obey them.
    package var jsonQuoted: String {
        var quoted = "\""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.isInvisible:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
