package import Cryptography

/// How a `CurlClient` reaches its servers. Fixed for the client's life: a rotated CA or client certificate
/// is a new client (or `Trust.file`).
package struct HTTPClientConfiguration: Sendable {
    package enum Trust: Sendable {
        /// The system's CAs, or those of SSL_CERT_FILE and SSL_CERT_DIR (`SystemRootCertificates`).
        case system
        /// These CAs and no others, as PEM. Damaged certificates are left out; the caller, who knows where the text is
        /// from, reports them (`CertificatePool.warnings`).
        case pem([UInt8])
        /// The CAs in this PEM file and no others; read again when the file changes. Damaged certificates are left out
        /// with a warning.
        case file(String)
        /// Any certificate. Only where a person asked for it by name.
        case insecure
    }

    package struct ClientCertificate: Sendable {
        /// PEM, our certificate first.
        package let chain: [UInt8]
        /// PEM, not encrypted.
        package let key: SharedSecret

        package init(chain: [UInt8], key: SharedSecret) {
            self.chain = chain
            self.key = key
        }
    }

    package enum Proxy: Sendable {
        /// As `ProxyEnvironment` reads HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.
        case environment
        /// `[http|https|socks5|socks5h]://[user:password@]host[:port]`, for every request. Both forms of SOCKS resolve
        /// names at the proxy.
        case url(String)
        case none
    }

    /// Where `http:` URLs are accepted.
    package enum PlainHTTP: Sendable {
        case never, loopbackOnly, always
    }

    package var trust: Trust
    package var clientCertificate: ClientCertificate?
    /// Sent as SNI and expected in the certificate, in place of the URL's host.
    package var serverName: String?
    package var proxy: Proxy
    package var plainHTTP: PlainHTTP
    /// From the first SYN to the end of the TLS handshake, name resolution included.
    package var connectTimeout: Duration
    package var userAgent: String
    /// Bytes.
    package var maximumRequestBody: Int
    /// Bytes, unpacked, of a unary response; a request may ask for less.
    package var maximumResponseBody: Int
    /// On the unary lane, of HTTP/1.1: requests beyond it wait for their turn. HTTP/2 has one connection,
    /// more only where the server allows fewer than 100 streams on it.
    package var maximumConnectionsPerHost: Int
    /// Offers gzip on the unary lane.
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
