import CCurl

extension HTTPError.Code {
    /// What libcurl's result means to us. Codes that HTTP cannot produce, and those of later versions, are
    /// `.clientFailed`.
    static func forCurlResult(of result: CURLcode) -> HTTPError.Code {
        curlResultCodes.first { $0.result == result }?.code ?? .clientFailed
    }

    /// `CURLE_OPERATION_TIMEDOUT` is the connect timeout: it is the only one that libcurl keeps for us.
    static let curlResultCodes: [(result: CURLcode, code: HTTPError.Code)] = [
        // Schemes are checked before: this is an HTTP/0.9 answer.
        (CURLE_UNSUPPORTED_PROTOCOL, .protocolError),
        (CURLE_URL_MALFORMAT, .invalidRequest),
        (CURLE_COULDNT_RESOLVE_PROXY, .proxyFailed),
        (CURLE_COULDNT_RESOLVE_HOST, .nameNotResolved),
        (CURLE_COULDNT_CONNECT, .connectFailed),
        (CURLE_WEIRD_SERVER_REPLY, .protocolError),
        (CURLE_HTTP2, .connectionClosed),
        (CURLE_PARTIAL_FILE, .connectionClosed),
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
