import HTTP
import System

/// The HTTP client for a cluster. A credential that brings a client certificate of its own (an `exec`
/// plugin's) gets a client of its own, because a TLS connection is bound to its certificate.
final class Transports: Sendable {
    private let configuration: HTTPClientConfiguration
    private let base: any HTTPTransport
    private let latest = Locked<(generation: UInt64, transport: any HTTPTransport)?>(nil)

    init(_ configuration: HTTPClientConfiguration) {
        self.configuration = configuration
        base = CurlClient(configuration)
    }

    /// For tests and for clients that are shared.
    init(fixed transport: any HTTPTransport) {
        configuration = HTTPClientConfiguration()
        base = transport
    }

    func transport(for credential: Credential) -> any HTTPTransport {
        guard let certificate = credential.clientCertificate else { return base }
        return latest.withLock { latest in
            // A client that is still in use lives on until its last request is over.
            if let latest, latest.generation == credential.generation { return latest.transport }
            var own = configuration
            own.clientCertificate = .init(chain: certificate.certificate, key: certificate.key)
            let client = CurlClient(own)
            latest = (credential.generation, client)
            return client
        }
    }
}

extension HTTPClientConfiguration {
    init(_ cluster: ClusterConfiguration) {
        self.init(plainHTTP: .always)
        switch cluster.trust {
        case .system: trust = .system
        case .pem(let certificates): trust = .pem(certificates)
        case .insecure: trust = .insecure
        }
        clientCertificate = cluster.clientCertificate.map { .init(chain: $0.certificate, key: $0.key) }
        serverName = cluster.tlsServerName
        if let url = cluster.proxyURL { proxy = .url(url) }
        maximumResponseBody = KubeClient.maximumObjectSize
        acceptsCompression = true
    }
}
