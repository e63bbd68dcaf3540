package import Cryptography

/// All that is needed to talk to one API server as one user.
package struct ClusterConfiguration: Sendable {
    /// What the server's certificate is checked against.
    package enum Trust: Sendable {
        case system
        /// PEM with one or more certificates that can be read.
        case pem([UInt8])
        /// No check at all (`insecure-skip-tls-verify`).
        case insecure
    }

    /// Both PEM, for TLS client authentication.
    package struct ClientCertificate: Sendable {
        package let certificate: [UInt8]
        package let key: SharedSecret

        init(_ identity: TLSClientIdentity) {
            self.init(certificate: identity.chain, key: identity.key)
        }

        package init(certificate: [UInt8], key: SharedSecret) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// Sent as `Impersonate-*` headers.
    package struct Impersonation: Sendable, Equatable {
        package var user: String
        package var uid: String?
        package var groups: [String] = []
        /// In the order of the file.
        package var extra: [Extra] = []

        package struct Extra: Sendable, Equatable {
            package let key: String
            package let values: [String]
        }
    }

    /// `https://host:port`, perhaps with a path, without a slash at the end.
    package var server: String
    package var trust: Trust
    /// The fixed one; a certificate in a `Credential` goes before it.
    package var clientCertificate: ClientCertificate?
    /// The name to check the server's certificate for, and to send as SNI, instead of the host of `server`.
    package var tlsServerName: String?
    /// nil: as the environment says.
    package var proxyURL: String?
    package var defaultNamespace: String
    /// We run in a pod of this cluster, as its service account.
    package var isInCluster = false
    package var impersonation: Impersonation?
    package var credentials: any CredentialSource
    /// What works in part, such as a CA bundle with a damaged certificate. One line each.
    package var warnings: [String] = []

    package init(
        server: String, trust: Trust, clientCertificate: ClientCertificate? = nil,
        tlsServerName: String? = nil, proxyURL: String? = nil, defaultNamespace: String = "default",
        impersonation: Impersonation? = nil, credentials: any CredentialSource = StaticCredential.none
    ) {
        self.server = server
        self.trust = trust
        self.clientCertificate = clientCertificate
        self.tlsServerName = tlsServerName
        self.proxyURL = proxyURL
        self.defaultNamespace = defaultNamespace
        self.impersonation = impersonation
        self.credentials = credentials
    }
}
