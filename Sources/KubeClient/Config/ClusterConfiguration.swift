import Cryptography
package import HTTP
import System

/// Everything that is needed to talk to one API server as one user.
package struct ClusterConfiguration: Sendable {
    package typealias Trust = HTTPClientConfiguration.Trust
    package typealias ClientCertificate = HTTPClientConfiguration.ClientCertificate

    /// The user that requests act as, which is sent as `Impersonate-*` headers.
    package struct Impersonation: Sendable, Equatable {
        package var user: String
        package var uid: String?
        package var groups: [String] = []
        /// In the order of the kubeconfig.
        package var extra: [Extra] = []

        package struct Extra: Sendable, Equatable {
            package let key: String
            package let values: [String]
        }
    }

    /// `https://host:port`, optionally with a path, without a slash at the end.
    package var server: String
    /// The CA certificates that the server's certificate is checked against; `insecure` for `insecure-skip-tls-verify`.
    package var trust: Trust
    /// The certificate that is used unless a `Credential` has one.
    package var clientCertificate: ClientCertificate?
    /// The name that the server's certificate must have, and that is sent as SNI, instead of the host of `server`.
    package var tlsServerName: String?
    /// The URL of the proxy. Without one, the environment selects a proxy.
    package var proxyURL: String?
    package var defaultNamespace: String
    /// True if this process runs in a pod of the cluster and uses its service account.
    package var isInCluster = false
    package var impersonation: Impersonation?
    /// True if responses may be compressed, which takes longer than the transfer within a cluster.
    package var acceptsCompression = true
    package var credentials: any CredentialSource
    /// Problems that do not prevent the use of the configuration, such as a damaged certificate in a CA bundle. One line
    /// each.
    package var warnings: [String] = []

    package init(
        server: String, trust: Trust = .system, clientCertificate: ClientCertificate? = nil,
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

extension ClusterConfiguration {
    /// Returns how others on the network can read tokens and Secrets, or nil if they cannot: the connection is verified, or does
    /// not leave this machine.
    package var networkRisk: String? {
        let parts = server.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        let authority = parts[2].prefix { $0 != "/" }
        // The port follows the last colon, unless that is one of an IPv6 address.
        let colon = authority.hasSuffix("]") ? nil : authority.lastIndex(of: ":")
        guard !IPAddress.isLoopback(host: authority[..<(colon ?? authority.endIndex)].lowercased()) else {
            return nil
        }
        if parts[0].lowercased() == "http:" { return "uses plain http" }
        if case .insecure = trust { return "is not verified (insecure-skip-tls-verify)" }
        return nil
    }
}

/// The reason why no cluster can be reached, or why there is no credential for it. The message is one line that names the
/// file and the field, says what is expected, and contains no value of a credential.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        /// Nothing is configured.
        case notConfigured
        /// A configured file does not exist or cannot be read.
        case unreadable
        /// A file has invalid content.
        case invalid
        /// The configuration uses a feature that is not supported, such as `auth-provider: {name: gcp}`.
        case unsupported
        /// A credential plugin or an identity provider failed, or returned something that cannot be used.
        case plugin
        /// The calling task was cancelled.
        case cancelled
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        // Names in the message come from files and plugins.
        self.message = message.escapingInvisibleCharacters
    }

    package var description: String { message }
}
