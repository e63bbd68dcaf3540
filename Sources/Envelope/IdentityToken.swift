package import Cryptography

/// A source of identity tokens: signed JWTs, such as those of Kubernetes service accounts, with which a process logs in to
/// a KMS. Safe to use from many tasks; a call has a deadline of its own.
package protocol IdentityTokenSource: Sendable {
    /// Names the identity for messages: `the token of service account team-a/wrap-reader`.
    var name: String { get }

    /// Returns a token that is valid for some minutes. It is one word of visible ASCII.
    func token() async throws(IdentityTokenError) -> SharedSecret
}

/// An identity token could not be obtained.
package struct IdentityTokenError: Error, Equatable, Sendable {
    package enum Code: Sendable {
        /// The source does not exist, or holds no token: a setting must change.
        case misconfigured
        /// The API server denies the token: RBAC must change.
        case denied
        /// The API server cannot be reached or failed.
        case unavailable
        /// The calling task was cancelled.
        case cancelled
    }

    package let code: Code
    /// The problem and its remedy, in one line.
    package let message: String
    /// The delay that the server asked for, if it did.
    package let retryAfter: Duration?

    package init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }
}
