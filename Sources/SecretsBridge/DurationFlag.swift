import ArgumentParser

/// Durations as operators write them: `15s`, `500ms`, `2m`, `1h`; a number alone is seconds.
enum DurationFlag {
    static func parse(_ text: String) throws -> Duration {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int64(digits), number <= 1_000_000 else { throw problem(text) }
        return switch text.dropFirst(digits.count) {
        case "", "s": .seconds(number)
        case "ms": .milliseconds(number)
        case "m": .seconds(number * 60)
        case "h": .seconds(number * 3600)
        default: throw problem(text)
        }
    }

    private static func problem(_ text: String) -> ValidationError {
        ValidationError("\(text) is not a duration; 15s, 500ms and 2m are")
    }
}
