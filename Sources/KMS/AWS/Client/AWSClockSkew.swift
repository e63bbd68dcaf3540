import FoundationEssentials
import HTTP

/// The difference between AWS's clock and this machine's, taken from the `Date` of responses. Each host has its own.
///
/// AWS accepts signatures whose date is within five minutes of its clock. On a machine with a wrong clock, requests are
/// signed with AWS's time.
///
/// Source: aws-sdk-go-v2 `aws/retry`, "retryable clock skew".
struct AWSClockSkew: Sendable {
    /// The seconds to add to this machine's time.
    private(set) var offset = 0.0

    /// The skew in seconds that explains a signature mismatch, which has other causes too.
    static let minimumForSignatureMismatch = 240.0
    /// A smaller skew in seconds is network delay, and no cause of a clock skew error.
    static let minimumForClockSkew = 10.0

    /// Updates the offset from an error response.
    ///
    /// - Parameters:
    ///   - used: The offset of the request's signature, if it is not the current one.
    ///   - date: The response's `Date`.
    ///   - now: This machine's time when the response arrived.
    /// - Returns: True if the request should be signed again, with the new offset.
    mutating func update(from kind: AWSErrorCategory, used: Double? = nil, date: String?, now: Date) -> Bool {
        guard kind == .clockSkew || kind == .signatureMismatch,
            let seconds = date.flatMap({ RetryAfter.date($0) })
        else {
            return false
        }
        let seen = Double(seconds) - now.timeIntervalSince1970
        let change = abs(seen - (used ?? offset))
        guard change > (kind == .clockSkew ? Self.minimumForClockSkew : Self.minimumForSignatureMismatch)
        else { return false }
        offset = seen
        return true
    }
}
