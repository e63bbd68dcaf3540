package import FoundationEssentials

/// Dates as clouds and credential plugins write them (RFC 3339, section 5.6).
package enum RFC3339 {
    /// Parses a date, with or without fractions of a second.
    package static func date(_ text: String) -> Date? {
        guard hasForm(text) else { return nil }
        return (try? Date.ISO8601FormatStyle().parse(text))
            ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
    }

    /// Foundation's parser also accepts years of six digits and hours of one.
    private static func hasForm(_ text: String) -> Bool {
        matches(text.utf8.prefix(19), "0000-00-00T00:00:00") && isEnd(text.utf8.dropFirst(19))
    }

    private static func isEnd(_ text: Substring.UTF8View) -> Bool {
        var zone = text
        if text.first == UInt8(ascii: ".") {
            let digits = text.dropFirst().prefix(while: \.isASCIIDigit)
            guard (1...9).contains(digits.count) else { return false }
            zone = text.dropFirst(1 + digits.count)
        }
        return matches(zone, "Z") || matches(zone, "+00:00") || matches(zone, "-00:00")
    }

    /// Returns true if the text is the pattern, in which 0 stands for every digit.
    private static func matches(_ text: Substring.UTF8View, _ pattern: StaticString) -> Bool {
        pattern.withUTF8Buffer { pattern in
            text.count == pattern.count
                && zip(text, pattern).allSatisfy { byte, wanted in
                    wanted == UInt8(ascii: "0") ? byte.isASCIIDigit : byte == wanted
                }
        }
    }
}
