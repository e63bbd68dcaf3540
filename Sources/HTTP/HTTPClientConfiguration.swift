package import Cryptography

/// How a `CurlClient` reaches its servers. It is fixed for the client's life: a rotated CA or client certificate needs a
/// new client, except with `Trust.file`.
package struct HTTPClientConfiguration: Sendable {
    package enum Trust: Sendable {
        /// The system's CA certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR (`SystemRootCertificates`).
        case system
        /// Only these CA certificates, as PEM. Damaged certificates are skipped; the caller, who knows the source of
        /// the text, reports them (`CertificatePool.warnings`).
        case pem([UInt8])
        /// Only the CA certificates in this PEM file, which is read again when it changes. Damaged certificates are
        /// skipped with a warning.
        case file(String)
        /// Any certificate. Use it only if the user explicitly asked for it.
        case insecure
    }

    package struct ClientCertificate: Sendable {
        /// PEM that begins with the client's own certificate.
        package let chain: [UInt8]
        /// Unencrypted PEM.
        package let key: SharedSecret

        package init(chain: [UInt8], key: SharedSecret) {
            self.chain = chain
            self.key = key
        }

        package init(_ identity: TLSClientIdentity) {
            self.init(chain: identity.chain, key: identity.key)
        }
    }

    package enum Proxy: Sendable {
        /// The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY select (`ProxyEnvironment`).
        case environment
        /// `[http|https|socks5|socks5h]://[user:password@]host[:port]`, for every request. With both forms of SOCKS the
        /// proxy resolves the names.
        case url(String)
        case none
    }

    /// The hosts for which `http:` URLs are accepted.
    package enum PlainHTTP: Sendable {
        case never, loopbackOnly, always
    }

    package var trust: Trust
    package var clientCertificate: ClientCertificate?
    /// The name that is sent as SNI and expected in the certificate, in place of the URL's host.
    package var serverName: String?
    package var proxy: Proxy
    package var plainHTTP: PlainHTTP
    /// Includes name resolution, the TCP connection and the TLS handshake.
    package var connectTimeout: Duration
    package var userAgent: String
    /// In bytes.
    package var maximumRequestBody: Int
    /// A unary (not streamed) response may have this many bytes after decompression; a request may set a lower limit.
    package var maximumResponseBody: Int
    /// The limit for HTTP/1.1 connections of the unary pool; more requests wait. HTTP/2 uses one connection, and more
    /// only if the server allows fewer than 100 streams on it.
    package var maximumConnectionsPerHost: Int
    /// Accepts gzip for unary responses.
    package var acceptsCompression: Bool

    package init(
        trust: Trust = .system, clientCertificate: ClientCertificate? = nil, serverName: String? = nil,
        proxy: Proxy = .environment, plainHTTP: PlainHTTP = .loopbackOnly,
        connectTimeout: Duration = .seconds(10), userAgent: String = "secrets-bridge",
        maximumRequestBody: Int = 4 << 20, maximumResponseBody: Int = 64 << 20,
        maximumConnectionsPerHost: Int = 4, acceptsCompression: Bool = false
    ) {
        self.trust = trust
        self.clientCertificate = clientCertificate
        self.serverName = serverName
        self.proxy = proxy
        self.plainHTTP = plainHTTP
        self.connectTimeout = connectTimeout
        self.userAgent = userAgent
        self.maximumRequestBody = maximumRequestBody
        self.maximumResponseBody = maximumResponseBody
        self.maximumConnectionsPerHost = maximumConnectionsPerHost
        self.acceptsCompression = acceptsCompression
    }
}
