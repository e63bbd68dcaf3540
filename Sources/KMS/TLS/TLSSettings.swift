import HTTP
import System

/// TLS towards the servers of a backend, as settings name it: CAs, our own certificate, another name to expect. Files are
/// read again when they change (`ReloadingTransport`).
struct TLSSettings: Sendable {
    /// A path or a text, and the setting that it comes from.
    struct SettingSource: Sendable, Equatable {
        let value: String
        let variable: String
    }

    enum TrustedCAs: Sendable, Equatable {
        case system
        /// The CAs of a file, of the files of a folder, or of both together.
        case paths(file: SettingSource?, folder: SettingSource?)
        case text(SettingSource)
    }

    struct ClientIdentity: Sendable, Equatable {
        let certificate: SettingSource
        let key: SettingSource
    }

    var trustedCAs = TrustedCAs.system
    var clientIdentity: ClientIdentity?
    /// Sent as SNI and expected in the certificate, in place of the address's host.
    var serverName: String?
    /// The setting that turns verification off; nil: certificates are verified.
    var verificationDisabledBy: String?

    /// `base` with what the files hold now.
    ///
    /// Errors: a file cannot be read or holds something else; a key is encrypted.
    func applied(to base: HTTPClientConfiguration) throws(SettingError) -> HTTPClientConfiguration {
        var configuration = base
        switch trustedCAs {
        case .system: break
        case .text(let text): configuration.trust = try TLSFiles.trust(text: text)
        case .paths(let file, let folder):
            configuration.trust = try TLSFiles.trust(file: file, folder: folder)
        }
        if verificationDisabledBy != nil { configuration.trust = .insecure }
        configuration.clientCertificate = try clientIdentity.map { identity throws(SettingError) in
            try TLSFiles.certificate(of: identity)
        }
        configuration.serverName = serverName
        return configuration
    }

    /// What to look at to find out that something has changed.
    var watchedPaths: [String] {
        var sources: [SettingSource?] = [clientIdentity?.certificate, clientIdentity?.key]
        if case .paths(let file, let folder) = trustedCAs { sources += [file, folder] }
        return sources.compactMap { $0?.value }
    }
}
