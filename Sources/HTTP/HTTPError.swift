import CCurl

/// The reason why a transaction has no response. It names the method, the origin and libcurl's explanation, and never a
/// path, a header or a body.
package struct HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A closed set, so that a code can be a metric label.
    package enum Code: String, Sendable, CaseIterable {
        /// The calling task was cancelled, or the client was shut down.
        case cancelled
        /// The request's `timeout` passed.
        case timedOut = "timed_out"
        /// No byte arrived for the request's `idleTimeout`.
        case idleTimedOut = "idle_timed_out"
        case connectTimedOut = "connect_timed_out"
        case connectFailed = "connect_failed"
        case nameNotResolved = "name_not_resolved"
        case proxyFailed = "proxy_failed"
        case certificateUntrusted = "certificate_untrusted"
        case certificateNameMismatch = "certificate_name_mismatch"
        /// The configured CA certificates cannot be read.
        case caInvalid = "ca_invalid"
        /// The configured client certificate or key cannot be used.
        case clientCertificateInvalid = "client_certificate_invalid"
        case clientCertificateRequired = "client_certificate_required"
        case tlsFailed = "tls_failed"
        case requestTooLarge = "request_too_large"
        case responseTooLarge = "response_too_large"
        /// The response is not HTTP, or uses a feature that the client does not support.
        case protocolError = "protocol_error"
        /// The connection ended before the response did.
        case connectionClosed = "connection_closed"
        case invalidRequest = "invalid_request"
        /// libcurl or the system has no memory, threads or descriptors left.
        case clientFailed = "client_failed"
    }

    package let code: Code
    /// The request that failed: `GET https://10.0.0.1:6443`.
    package let activity: String
    /// An explanation by libcurl or by this client, on one line of at most 300 characters.
    package let detail: String?

    package init(_ code: Code, activity: String, detail: String? = nil) {
        self.code = code
        self.activity = activity
        self.detail = detail.flatMap(Self.oneLine)
    }

    /// True if the same request may succeed later although nothing is reconfigured.
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

    /// True if the connection failed, and not only this transaction on it.
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
        return "\(activity): \(problem)\(cause)\(remedy.map { "; \($0)" } ?? "")"
    }

    private var problem: String {
        switch code {
        case .cancelled: "cancelled"
        case .timedOut: "no complete response in time"
        case .idleTimedOut: "the server stopped sending"
        case .connectTimedOut: "connecting took too long"
        case .connectFailed: "cannot connect"
        case .nameNotResolved: "the host name does not resolve"
        case .proxyFailed: "the proxy failed or refused the request"
        case .certificateUntrusted: "the server's certificate is not trusted"
        case .certificateNameMismatch: "the server's certificate is for another name"
        case .caInvalid: "the CA certificates cannot be read"
        case .clientCertificateInvalid: "the client certificate or its key cannot be used"
        case .clientCertificateRequired: "the server asks for a client certificate"
        case .tlsFailed: "the TLS handshake failed"
        case .requestTooLarge: "the request is too large"
        case .responseTooLarge: "the response is too large"
        case .protocolError: "the response is not valid HTTP"
        case .connectionClosed: "the connection closed before the response was complete"
        case .invalidRequest: "the request is not valid"
        case .clientFailed: "the HTTP client failed"
        }
    }

    private var remedy: String? {
        switch code {
        case .certificateUntrusted: "configure the CA that signed it"
        case .certificateNameMismatch: "use a host name of the certificate, or set the TLS server name"
        case .caInvalid: "expected PEM with at least one certificate"
        case .clientCertificateInvalid: "expected unencrypted PEM, and the key of this certificate"
        case .nameNotResolved: "check the host name and the DNS"
        case .proxyFailed: "check HTTPS_PROXY and NO_PROXY, or the configured proxy"
        default: nil
        }
    }

    /// Reduces a text to one printable line: libcurl's error texts quote what servers send.
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

extension HTTPError.Code {
    /// Maps a result of libcurl. Results that HTTP cannot produce, and those of later versions, become `.clientFailed`.
    init(_ result: CURLcode) {
        self = Self.curlResultCodes.first { $0.result == result }?.code ?? .clientFailed
    }

    /// `CURLE_OPERATION_TIMEDOUT` is the connect timeout, the only one that libcurl is given: `Transfer` enforces the
    /// other timeouts itself.
    static let curlResultCodes: [(result: CURLcode, code: HTTPError.Code)] = [
        // `RequestTarget` admits only http and https, so this is an HTTP/0.9 response.
        (CURLE_UNSUPPORTED_PROTOCOL, .protocolError),
        (CURLE_URL_MALFORMAT, .invalidRequest),
        (CURLE_COULDNT_RESOLVE_PROXY, .proxyFailed),
        (CURLE_COULDNT_RESOLVE_HOST, .nameNotResolved),
        (CURLE_COULDNT_CONNECT, .connectFailed),
        (CURLE_WEIRD_SERVER_REPLY, .protocolError),
        (CURLE_HTTP2, .connectionClosed),
        (CURLE_PARTIAL_FILE, .connectionClosed),
        // Not an abort by this client's own callbacks: `Transfer` reports its own reason for those.
        (CURLE_WRITE_ERROR, .protocolError),
        (CURLE_OUT_OF_MEMORY, .clientFailed),
        (CURLE_OPERATION_TIMEDOUT, .connectTimedOut),
        (CURLE_SSL_CONNECT_ERROR, .tlsFailed),
        (CURLE_ABORTED_BY_CALLBACK, .cancelled),
        (CURLE_GOT_NOTHING, .connectionClosed),
        (CURLE_SEND_ERROR, .connectionClosed),
        (CURLE_RECV_ERROR, .connectionClosed),
        (CURLE_SSL_CERTPROBLEM, .clientCertificateInvalid),
        (CURLE_SSL_CIPHER, .tlsFailed),
        // `Transfer` replaces this with `.certificateNameMismatch` if only the name is wrong.
        (CURLE_PEER_FAILED_VERIFICATION, .certificateUntrusted),
        (CURLE_BAD_CONTENT_ENCODING, .protocolError),
        (CURLE_FILESIZE_EXCEEDED, .responseTooLarge),
        (CURLE_SEND_FAIL_REWIND, .connectionClosed),
        (CURLE_SSL_CACERT_BADFILE, .caInvalid),
        (CURLE_SSL_SHUTDOWN_FAILED, .tlsFailed),
        (CURLE_SSL_ISSUER_ERROR, .certificateUntrusted),
        (CURLE_NO_CONNECTION_AVAILABLE, .clientFailed),
        (CURLE_SSL_INVALIDCERTSTATUS, .certificateUntrusted),
        (CURLE_HTTP2_STREAM, .connectionClosed),
        (CURLE_PROXY, .proxyFailed),
        (CURLE_SSL_CLIENTCERT, .clientCertificateRequired),
    ]
}
