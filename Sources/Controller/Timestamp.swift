import FoundationEssentials
import Glibc

/// An instant of the wall clock, as Kubernetes writes it: RFC 3339, UTC.
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

    /// As `metav1.Time`.
    package var rfc3339: String { second + "Z" }

    /// As `metav1.MicroTime`, always with six digits.
    package var rfc3339Micros: String {
        let digits = String(nanosecond / 1000)
        return second + "." + String(repeating: "0", count: 6 - digits.count) + digits + "Z"
    }
}
