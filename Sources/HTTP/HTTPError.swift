/// Why an exchange has no response. Names the method, the origin and libcurl's explanation; never a path,
/// a header or a body.
package struct HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Closed, so that it serves as a metric label.
    package enum Code: String, Sendable, CaseIterable {
        /// The calling task was cancelled, or the client was shut down.
        case cancelled
        /// The request's `timeout` passed.
        case timedOut = "timed_out"
        /// No byte came for the request's `idleTimeout`.
        case idleTimedOut = "idle_timed_out"
        case connectTimedOut = "connect_timed_out"
        case connectFailed = "connect_failed"
        case nameNotResolved = "name_not_resolved"
        case proxyFailed = "proxy_failed"
        case certificateUntrusted = "certificate_untrusted"
        case certificateNameMismatch = "certificate_name_mismatch"
        /// The CA we were given cannot be read.
        case caInvalid = "ca_invalid"
        /// Our own certificate or key cannot be used.
        case clientCertificateInvalid = "client_certificate_invalid"
        case clientCertificateRequired = "client_certificate_required"
        case tlsFailed = "tls_failed"
        case requestTooLarge = "request_too_large"
        case responseTooLarge = "response_too_large"
        /// What came is not HTTP as we speak it.
        case protocolError = "protocol_error"
        /// The connection ended before the response did.
        case connectionClosed = "connection_closed"
        case invalidRequest = "invalid_request"
        /// libcurl or the system refused us: out of memory, threads or descriptors.
        case clientFailed = "client_failed"
    }

    package let code: Code
    /// What we were doing: `GET https://10.0.0.1:6443`.
    package let activity: String
    package let detail: String?

    package init(_ code: Code, activity: String, detail: String? = nil) {
        self.code = code
        self.activity = activity
        self.detail = detail.flatMap(Self.oneLine)
    }

    /// Whether the same request may succeed later without anybody changing anything.
    package var isRetryable: Bool {
        switch code {
        case .timedOut, .idleTimedOut, .connectTimedOut, .connectFailed, .nameNotResolved, .proxyFailed,
            .tlsFailed, .connectionClosed, .clientFailed:
            true
        case .cancelled, .certificateUntrusted, .certificateNameMismatch, .caInvalid,
            .clientCertificateInvalid, .clientCertificateRequired, .requestTooLarge, .responseTooLarge,
            .protocolError, .invalidRequest:
            false
        }
    }

    /// Whether the server cannot have seen the request, so that even a non-idempotent one may be repeated.
    package var requestWasNotSent: Bool {
        switch code {
        case .connectTimedOut, .connectFailed, .nameNotResolved, .certificateUntrusted,
            .certificateNameMismatch, .caInvalid, .clientCertificateInvalid, .requestTooLarge,
            .invalidRequest:
            true
        default: false
        }
    }

    /// Whether it is the connection that failed, and not the one exchange on it.
    var isConnectionError: Bool {
        switch code {
        case .connectTimedOut, .connectFailed, .nameNotResolved, .proxyFailed, .certificateUntrusted,
            .certificateNameMismatch, .caInvalid, .clientCertificateInvalid, .clientCertificateRequired,
            .tlsFailed, .connectionClosed:
            true
        default: false
        }
    }

    package var description: String {
        let cause = detail.map { " (\($0))" } ?? ""
        return "\(activity): \(summary)\(cause)\(advice.map { "; \($0)" } ?? "")"
    }

    private var summary: String {
        switch code {
        case .cancelled: "cancelled"
        case .timedOut: "no complete response in time"
        case .idleTimedOut: "the server fell silent"
        case .connectTimedOut: "connecting took too long"
        case .connectFailed: "cannot connect"
        case .nameNotResolved: "the host name does not resolve"
        case .proxyFailed: "the proxy does not serve us"
        case .certificateUntrusted: "the server's certificate is not trusted"
        case .certificateNameMismatch: "the server's certificate is for another name"
        case .caInvalid: "the CA certificates cannot be read"
        case .clientCertificateInvalid: "the client certificate or its key cannot be used"
        case .clientCertificateRequired: "the server asks for a client certificate"
        case .tlsFailed: "no TLS connection"
        case .requestTooLarge: "the request is too large"
        case .responseTooLarge: "the response is too large"
        case .protocolError: "the answer is not valid HTTP"
        case .connectionClosed: "the connection broke before the response was complete"
        case .invalidRequest: "the request is not valid"
        case .clientFailed: "the HTTP client failed"
        }
    }

    private var advice: String? {
        switch code {
        case .certificateUntrusted: "give the CA that signed it"
        case .certificateNameMismatch: "use a host name the certificate has, or set the TLS server name"
        case .caInvalid: "expected PEM with at least one certificate"
        case .clientCertificateInvalid:
            "expected PEM, not encrypted, and the key that belongs to the certificate"
        case .nameNotResolved: "check the host name and the DNS"
        case .proxyFailed: "check HTTPS_PROXY and NO_PROXY, or the proxy configured"
        default: nil
        }
    }

    /// libcurl's texts quote what servers send; keep them to one printable line.
    private static func oneLine(_ text: String) -> String? {
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(300) {
            scalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
        }
        var line = String(scalars)
        while line.last == " " || line.last == "." { line.removeLast() }
        return line.isEmpty ? nil : line
    }
}
