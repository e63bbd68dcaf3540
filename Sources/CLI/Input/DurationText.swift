/// Durations on a command line: `15s`, `500ms`, `2m` and `1h`. A number without a unit is in seconds.
package enum DurationText {
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        case notADuration
        case tooLong

        /// The predicate of a sentence whose subject is the text.
        package var description: String {
            switch self {
            case .notADuration: "is not a duration; for example: 15s, 500ms or 2m"
            case .tooLong: "is too long; the number is at most 1,000,000"
            }
        }
    }

    private static let maximum: Int64 = 1_000_000

    package static func parse(_ text: String) throws(Problem) -> Duration {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { throw .notADuration }
        guard let number = Int64(digits), number <= maximum else { throw .tooLong }
        return switch text.dropFirst(digits.count) {
        case "", "s": .seconds(number)
        case "ms": .milliseconds(number)
        case "m": .seconds(number * 60)
        case "h": .seconds(number * 3600)
        default: throw .notADuration
        }
    }
}
