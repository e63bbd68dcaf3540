import FoundationEssentials
import HTTP

/// How far AWS's clock is from ours, as its answers show it. One for each host. Pure.
///
/// AWS takes requests whose time is within five minutes of its own. On a machine whose clock is wrong, requests
/// are signed with AWS's time instead.
///
/// Source: aws-sdk-go-v2 `aws/retry`, "retryable clock skew".
struct AWSClockSkew: Sendable {
    /// Seconds to add to our time.
    private(set) var offset = 0.0

    /// A wrong signature may have other reasons, unless the clocks are this far apart.
    static let minimumForSignatureMismatch = 240.0
    /// Less is the way of the answer, and no reason for AWS to complain.
    static let minimumForClockSkew = 10.0

    /// Takes in an answer that refuses a request. Whether another signature, with the new offset, may do better.
    ///
    /// - Parameters:
    ///   - used: The offset that the request was signed with: others may have learned since. nil: the present one.
    ///   - date: The answer's `Date`.
    ///   - now: Our time, when it came.
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
