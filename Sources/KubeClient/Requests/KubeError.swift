import HTTP
import System

/// The reason why a request to the API server failed.
package struct KubeError: Error, Sendable {
    /// Also a metric label. The codes of the first group come from the API server (`Status.reason`).
    package enum Code: String, Sendable, CaseIterable {
        case unauthorized, forbidden, notFound, alreadyExists, conflict, invalid, badRequest, notAcceptable
        case expired, tooManyRequests, tooLarge, timeout, internalError, unavailable, otherStatus
        /// The request got no valid response: no connection, no credentials, or a response that is not Kubernetes'.
        case transport, credentials, malformedResponse, cancelled
        /// The response exceeds the limit of the request.
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
    /// The operation that failed: "creating Secret payments/db".
    package let activity: String
    /// The problem, which never contains a body, a header or a value.
    package let message: String
    /// The delay that the server requested.
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

    /// True if the same request may succeed when it is sent again.
    package var isRetryable: Bool {
        switch code {
        case .tooManyRequests, .timeout, .internalError, .unavailable, .transport: true
        default: false
        }
    }

    /// The fields that a server-side apply would take from other managers, in the server's notation (".data.password"),
    /// and these managers. Nil if the error is not a conflict between field managers.
    package var fieldManagerConflicts: (fields: Set<String>, managers: Set<String>)? {
        guard code == .conflict else { return nil }
        let causes = status?.details?.causes?.filter { $0.reason == "FieldManagerConflict" } ?? []
        guard !causes.isEmpty else { return nil }
        // The message has the form: conflict with "helm" using v1
        let managers = causes.compactMap {
            $0.message?.split(separator: "\"").dropFirst().first.map(String.init)
        }
        return (Set(causes.compactMap(\.field)), Set(managers))
    }

    /// True if the server does not have the requested resource version yet, as after a restore of etcd.
    package var isResourceVersionTooLarge: Bool {
        status?.details?.causes?.contains { $0.reason == "ResourceVersionTooLarge" } == true
            || status?.message?.hasPrefix("Too large resource version") == true
    }
}

extension KubeError: CustomStringConvertible {
    package var description: String { "\(activity): \(message)" }
}

extension KubeError {
    /// Describes a response that is not 2xx.
    init(httpStatus: Int, retryAfter: Duration?, status: Status?, activity: String) {
        let delay = retryAfter ?? status?.details?.retryAfterSeconds.map { .seconds($0) }
        let message = status.flatMap(Self.serverMessage) ?? "the API server returned HTTP \(httpStatus)"
        self.init(
            Self.code(httpStatus: httpStatus, reason: status?.reason), activity: activity, message: message,
            retryAfter: delay, status: status)
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

    /// Returns a message that quotes no value. The server's own message for a 422 may quote one, so that it is replaced by
    /// the fields of its causes.
    private static func serverMessage(_ status: Status) -> String? {
        if let denial = status.admissionDenial { return denial }
        if status.reason == "Invalid", let causes = status.details?.causes, !causes.isEmpty {
            return causes.map { "\($0.field ?? "object") (\($0.reason ?? "invalid"))" }.joined(
                separator: ", ")
        }
        return status.message.map { $0.truncated(toUTF8: 1024) }
    }
}
