package import Concurrency
package import HTTPTypes

/// Which outcomes of a request are worth another attempt, and when. Pure.
package struct RetryPolicy: Sendable {
    /// The first one included.
    package var maximumAttempts: Int
    /// Delays between attempts, where the server names none.
    package var backoff: Backoff
    /// For requests that change nothing though their method is POST: a KMS decrypting.
    package var retriesAnyMethod: Bool

    package init(
        maximumAttempts: Int = 4, backoff: Backoff = Backoff(base: .milliseconds(200), maximum: .seconds(10)),
        repeatsAnyMethod: Bool = false
    ) {
        self.maximumAttempts = maximumAttempts
        self.backoff = backoff
        self.retriesAnyMethod = repeatsAnyMethod
    }

    package enum Verdict: Equatable, Sendable {
        case giveUp
        /// `after`: what the server asked for; nil: the backoff's next delay.
        case retry(after: Duration?)
    }

    package func verdict(on error: HTTPError, _ method: HTTPRequest.Method) -> Verdict {
        error.isRetryable && (isRepeatable(method) || error.requestWasNotSent) ? .retry(after: nil) : .giveUp
    }

    /// `now`: seconds since 1970, for a Retry-After that is a date.
    package func verdict(on head: HTTPResponseHead, _ method: HTTPRequest.Method, now: Int) -> Verdict {
        switch head.status.code {
        // The server has not worked on it, whatever the method.
        case 429: break
        case 502, 503, 504: guard isRepeatable(method) else { return .giveUp }
        default: return .giveUp
        }
        return .retry(after: head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: now) })
    }

    private func isRepeatable(_ method: HTTPRequest.Method) -> Bool {
        retriesAnyMethod || [.get, .head, .put, .delete, .options].contains(method)
    }
}
