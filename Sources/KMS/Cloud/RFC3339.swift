import FoundationEssentials

/// Dates in the responses of clouds.
enum RFC3339 {
    /// Parses an RFC 3339 date, with or without fractions of a second.
    static func date(_ text: String) -> Date? {
        (try? Date.ISO8601FormatStyle().parse(text))
            ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
    }
}
