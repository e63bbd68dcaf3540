import HTTP
import System

/// Why a request to the API server did not do what it should.
package struct KubeError: Error, Sendable {
    /// Doubles as a metric label. The first group is what the API server said (`Status.reason`).
    package enum Code: String, Sendable, CaseIterable {
        case unauthorized, forbidden, notFound, alreadyExists, conflict, invalid, badRequest, notAcceptable
        case expired, tooManyRequests, tooLarge, timeout, internalError, unavailable, otherStatus
        /// It could not be asked: no connection, no credentials, an answer that is not Kubernetes'.
        case transport, credentials, malformedResponse, cancelled
        /// The answer has more bytes than we take at once.
        case responseTooLarge

        init(_ code: HTTPError.Code) {
            self =
                switch code {
                case .cancelled: .cancelled
                case .responseTooLarge: .responseTooLarge
                default: .transport
                }
        }
    }

    package let code: Code
    /// What was being done: "creating secret payments/db".
    package let activity: String
    /// The server's words, or ours. Never a body, a header or a value.
    package let message: String
    /// What the server asked us to wait.
    package let retryAfter: Duration?
    package let status: Status?

    package init(
        _ code: Code, activity: String, message: String, retryAfter: Duration? = nil, status: Status? = nil
    ) {
        self.code = code
        self.activity = activity
        self.message = message
        self.retryAfter = retryAfter
        self.status = status
    }

    /// Whether sending the very same request again may succeed.
    package var isRetryable: Bool {
        switch code {
        case .tooManyRequests, .timeout, .internalError, .unavailable, .transport: true
        default: false
        }
    }

    /// Fields that server-side apply would take from other managers, as the server names them (".data.password"), and
    /// who these are. Nil when that is not what is wrong.
    package var fieldManagerConflicts: (fields: Set<String>, managers: Set<String>)? {
        guard code == .conflict else { return nil }
        let causes = status?.details?.causes?.filter { $0.reason == "FieldManagerConflict" } ?? []
        guard !causes.isEmpty else { return nil }
        // conflict with "helm" using v1
        let managers = causes.compactMap {
            $0.message?.split(separator: "\"").dropFirst().first.map(String.init)
        }
        return (Set(causes.compactMap(\.field)), Set(managers))
    }

    /// The resource version is one that the server does not have yet, as after a restore of etcd.
    package var isResourceVersionTooLarge: Bool {
        status?.details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } == true
            || status?.message?.hasPrefix("Too large resource version") == true
    }
}

extension KubeError: CustomStringConvertible {
    package var description: String { "\(activity): \(message)" }
}

extension KubeError {
    /// Reads the failure out of a response that is not 2xx.
    init(httpStatus: Int, retryAfter: Duration?, status: Status?, activity: String) {
        let wait = retryAfter ?? status?.details?.retryAfterSeconds.map { .seconds($0) }
        let message = status.flatMap(Self.words) ?? "the API server answered HTTP \(httpStatus)"
        self.init(
            Self.code(httpStatus: httpStatus, reason: status?.reason), activity: activity, message: message,
            retryAfter: wait, status: status)
    }

    private static func code(httpStatus: Int, reason: String?) -> Code {
        switch (httpStatus, reason) {
        case (401, _): .unauthorized
        case (403, _): .forbidden
        case (404, _): .notFound
        case (409, "AlreadyExists"): .alreadyExists
        case (409, _): .conflict
        case (410, _): .expired
        case (413, _): .tooLarge
        case (422, _): .invalid
        case (406, _), (415, _): .notAcceptable
        case (400, _): .badRequest
        case (429, _): .tooManyRequests
        case (504, _): .timeout
        case (500, _): .internalError
        case (502, _), (503, _): .unavailable
        default: .otherStatus
        }
    }

    /// A message for a 422 is built from its causes' fields: the server's own text may quote the value.
    private static func words(_ status: Status) -> String? {
        if let denial = status.admissionDenial { return denial }
        if status.reason == "Invalid", let causes = status.details?.causes, !causes.isEmpty {
            return causes.map { "\($0.field ?? "object") (\($0.reason ?? "invalid"))" }.joined(
                separator: ", ")
        }
        return status.message.map { $0.truncated(toUTF8: 1024) }
    }
}
