import FoundationEssentials
import Glibc

/// A time of the wall clock in the formats of Kubernetes: RFC 3339, UTC.
package struct Timestamp: Sendable {
    private let second: String
    private let nanosecond: Int

    package init(seconds: Int, nanoseconds: Int) {
        second = String(Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601).dropLast())
        nanosecond = nanoseconds
    }

    package static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// In the format of `metav1.Time`.
    package var rfc3339: String { second + "Z" }

    /// In the format of `metav1.MicroTime`: always with six digits of a second.
    package var rfc3339Micros: String {
        let digits = String(nanosecond / 1000)
        return second + "." + String(repeating: "0", count: 6 - digits.count) + digits + "Z"
    }
}
