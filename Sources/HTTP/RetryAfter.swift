/// Parses the `Retry-After` field, which holds seconds or an HTTP date (RFC 9110, sections 10.2.3 and 5.6.7).
package enum RetryAfter {
    /// - Parameter now: seconds since 1970.
    /// - Returns: the time to wait, zero for a date in the past, or nil if `value` has neither form.
    package static func delay(_ value: String, now: Int) -> Duration? {
        if !value.isEmpty, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return Int(value).map { .seconds($0) }
        }
        return date(value).map { .seconds(max($0 - now, 0)) }
    }

    /// Parses `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that servers may send.
    ///
    /// - Returns: seconds since 1970, or nil.
    package static func date(_ text: String) -> Int? {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT",
            let day = Int(words[1]), let month = months.firstIndex(of: String(words[2])).map({ $0 + 1 }),
            let year = Int(words[3]), words[3].utf8.count == 4
        else { return nil }
        let time = words[4].split(separator: ":").map { Int($0) }
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2],
            (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute),
            (0...60).contains(second)
        else { return nil }
        return daysSince1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Uses the Gregorian calendar with years that begin in March, so that the leap day is the last of a year.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
    }
}
