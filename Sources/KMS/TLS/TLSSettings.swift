import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import Settings
import System

/// The settings of TLS for the servers of a backend: CAs, the client certificate, the expected server name. `ReloadingTransport`
/// reads the files again when they change.
struct TLSSettings: Hashable, Sendable {
    /// A path or a text, and the variable that it comes from.
    struct SettingSource: Hashable, Sendable {
        let value: String
        let variable: String
    }

    enum TrustedCAs: Hashable, Sendable {
        case system
        /// The CAs of a file, of the files of a folder, or of both together.
        case paths(file: SettingSource?, folder: SettingSource?)
        case text(SettingSource)
    }

    struct ClientIdentity: Hashable, Sendable {
        let certificate: SettingSource
        let key: SettingSource
    }

    var trustedCAs = TrustedCAs.system
    var clientIdentity: ClientIdentity?
    /// The name that is sent as SNI and expected in the certificate, in place of the host of the address.
    var serverName: String?
    /// The variable that turns verification off, or nil if certificates are verified.
    var verificationDisabledBy: String?

    /// Returns `base` with the current contents of the files.
    ///
    /// - Throws: `SettingError` if a file cannot be read or holds something else, or a key is encrypted.
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

    /// The files and folders whose change requires to call `applied` again.
    var watchedPaths: [String] {
        var sources: [SettingSource?] = [clientIdentity?.certificate, clientIdentity?.key]
        if case .paths(let file, let folder) = trustedCAs { sources += [file, folder] }
        return sources.compactMap { $0?.value }
    }
}

/// Reads the PEM files that settings name. As with Go's crypto/tls, a pool of CAs skips certificates that cannot be read, and
/// reports them as warnings.
enum TLSFiles {
    typealias Trust = HTTPClientConfiguration.Trust
    typealias Source = TLSSettings.SettingSource

    private static let maximumKey = 1 << 20
    private static let maximumFiles = 4096

    static func trust(text: Source) throws(SettingError) -> Trust {
        var pool = CertificatePool()
        pool.add(SecretBytes(copying: text.value.utf8), from: text.variable)
        return try trust(pool, text, "holds")
    }

    /// Returns the CAs of both.
    static func trust(file: Source?, folder: Source?) throws(SettingError) -> Trust {
        var pool = CertificatePool()
        if let file {
            do throws(FileError) {
                try pool.add(file: file.value)
            } catch {
                throw unreadable(file, error)
            }
            guard pool.count > 0 else { throw empty(pool, file, "names \(file.value), which holds") }
        }
        if let folder {
            // As the vault and bao command lines do, files of other kinds are skipped.
            for path in try files(below: folder) { _ = try? pool.add(file: path) }
            guard pool.count > 0 else { throw empty(pool, folder, "names \(folder.value), which holds") }
        }
        pool.warnings.forEach(Warnings.report)
        return .pem(pool.pem)
    }

    static func certificate(
        of identity: TLSSettings.ClientIdentity
    ) throws(SettingError) -> HTTPClientConfiguration.ClientCertificate {
        let certificate = try read(identity.certificate).withUnsafeBytes { Array($0) }
        let key = SharedSecret(try read(identity.key))
        do throws(TLSClientIdentity.IdentityError) {
            return .init(try TLSClientIdentity(certificate: certificate, key: key))
        } catch {
            let source = error.concernsKey ? identity.key : identity.certificate
            throw SettingError(variable: source.variable, problem: "names \(source.value), which \(error)")
        }
    }

    private static func trust(_ pool: CertificatePool, _ source: Source, _ place: String) throws(SettingError)
        -> Trust
    {
        guard pool.count > 0 else { throw empty(pool, source, place) }
        pool.warnings.forEach(Warnings.report)
        return .pem(pool.pem)
    }

    /// - Parameter place: The begin of the message: `names a.pem, which holds`.
    private static func empty(_ pool: CertificatePool, _ source: Source, _ place: String) -> SettingError {
        SettingError(
            variable: source.variable,
            problem: "\(place) no certificate; "
                + (pool.warnings.first
                    ?? "PEM of the server's CA is expected, with -----BEGIN CERTIFICATE-----"))
    }

    private static func read(_ source: Source) throws(SettingError) -> SecretBytes {
        do throws(FileError) {
            return try SecretBytes(contentsOfFile: source.value, limit: maximumKey)
        } catch {
            throw unreadable(source, error)
        }
    }

    private static func unreadable(_ source: Source, _ error: FileError) -> SettingError {
        SettingError(
            variable: source.variable,
            problem: "names a file that cannot be read: \(error.redactedDescription)")
    }

    /// Returns the regular files below a folder, sorted by name, or the file itself. Symbolic links to files count. Links to
    /// folders and names that begin with `..` do not: a mounted ConfigMap has the same files there again.
    private static func files(below folder: Source) throws(SettingError) -> [String] {
        var files: [String] = []
        var rest = [folder.value]
        while let path = rest.popLast() {
            let kind = try? FileKind(of: path)
            switch kind {
            case .folder:
                guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
                    throw SettingError(
                        variable: folder.variable, problem: "names a folder that cannot be read: \(path)")
                }
                rest += names.filter { !$0.hasPrefix("..") }.sorted(by: >).map { "\(path)/\($0)" }
                    .filter { !isLinkToFolder($0) }
            case .file: files.append(path)
            default:
                guard path == folder.value else { break }
                guard PathRedaction.printablePath(path) != nil else {
                    throw SettingError(
                        variable: folder.variable,
                        problem:
                            "is not the path of a folder; a folder of PEM files is expected, not their content"
                    )
                }
                throw SettingError(
                    variable: folder.variable,
                    problem:
                        "names \(path), which is \(kind?.phrase ?? "not accessible"); a folder of PEM files is expected"
                )
            }
            guard files.count <= maximumFiles, rest.count <= maximumFiles else {
                throw SettingError(
                    variable: folder.variable,
                    problem: "names \(folder.value), which has more than \(maximumFiles) files")
            }
        }
        return files
    }

    private static func isLinkToFolder(_ path: String) -> Bool {
        var info = stat()
        guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFLNK else { return false }
        return (try? FileKind(of: path)) == .folder
    }
}
