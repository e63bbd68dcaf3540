import Cryptography
import System

/// The CA certificates that a client trusts, as PEM for libcurl. Files are read when they are first needed and again when
/// they change. libcurl gets only certificates, so that no other block of a bundle reaches its parser.
final class TrustStore: Sendable {
    struct LoadError: Error, CustomStringConvertible {
        let description: String
    }

    private enum Source {
        /// libcurl's default, or no verification.
        case none
        case pem([UInt8])
        case file(String)
        case system(SystemRootCertificates)
    }

    private struct Loaded {
        let certificates: SharedSecret
        let fingerprint: FileFingerprint?
    }

    private let source: Source
    private let loaded = Locked<Loaded?>(nil)

    init(_ trust: HTTPClientConfiguration.Trust, environment: [String: String]) {
        switch trust {
        case .system: source = SystemRootCertificates(environment).map { .system($0) } ?? .none
        case .pem(let text): source = .pem(text)
        case .file(let path): source = .file(path)
        case .insecure: source = .none
        }
    }

    /// Returns the trusted certificates, or nil if libcurl's default applies. Blocks while it reads files.
    func trustedCertificates() throws(LoadError) -> SharedSecret? {
        if case .none = source { return nil }
        return try loaded.withLock { loaded throws(LoadError) in
            var fingerprint: FileFingerprint?
            if case .file(let path) = source { fingerprint = FileFingerprint(path: path) }
            if let loaded, loaded.fingerprint == fingerprint { return loaded.certificates }
            let pool = try load()
            let certificates = SharedSecret(copying: pool.pem)
            loaded = Loaded(certificates: certificates, fingerprint: fingerprint)
            return certificates
        }
    }

    private func load() throws(LoadError) -> CertificatePool {
        var pool = CertificatePool()
        do throws(FileError) {
            switch source {
            case .none: break
            case .pem(let text): pool.add(SecretBytes(copying: text), from: "the CA certificates")
            case .file(let path): try pool.add(file: path)
            case .system(let system): try system.add(to: &pool)
            }
        } catch {
            throw LoadError(description: error.description)
        }
        guard pool.count > 0 else {
            throw LoadError(description: pool.warnings.first ?? "there is no certificate\(place)")
        }
        if case .pem = source { return pool }
        for warning in pool.warnings { Warnings.report(warning) }
        return pool
    }

    private var place: String {
        switch source {
        case .file(let path): " in \(path)"
        case .system: " in the files of SSL_CERT_FILE and SSL_CERT_DIR"
        case .none, .pem: ""
        }
    }
}

/// The system's CA certificates if SSL_CERT_FILE or SSL_CERT_DIR is set, found as Go's crypto/x509 finds them on Linux:
/// SSL_CERT_FILE replaces the list of files, of which the first that exists counts; SSL_CERT_DIR, folders separated by
/// colons, replaces the list of folders, all of which count. Unlike in Go, it is an error if the configured file cannot be
/// read, or none of the configured folders.
struct SystemRootCertificates: Sendable {
    private let file: String?
    private let folders: [String]?
    var standardFiles = Self.standardFiles
    var standardFolders = Self.standardFolders

    /// The lists of Go's crypto/x509 (root_linux.go).
    static let standardFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
    ]
    static let standardFolders = ["/etc/ssl/certs", "/etc/pki/tls/certs"]

    /// Returns nil if neither variable is set.
    init?(_ environment: [String: String]) {
        let file = environment["SSL_CERT_FILE"] ?? ""
        let folders = (environment["SSL_CERT_DIR"] ?? "").split(separator: ":").map(String.init)
        guard !file.isEmpty || !folders.isEmpty else { return nil }
        self.file = file.isEmpty ? nil : file
        self.folders = folders.isEmpty ? nil : folders
    }

    func add(to pool: inout CertificatePool) throws(FileError) {
        if let file {
            let found: Int
            do throws(FileError) {
                found = try pool.add(file: file)
            } catch {
                throw FileError(path: "SSL_CERT_FILE names \(error.path)", reason: error.reason)
            }
            guard found > 0 else {
                throw FileError(
                    path: "SSL_CERT_FILE names \(file)", reason: "holds no certificate that can be read")
            }
        } else {
            for file in standardFiles {
                if (try? pool.add(file: file)) != nil { break }
            }
        }
        guard let folders else {
            for folder in standardFolders { _ = try? pool.add(folder: folder) }
            return
        }
        var failures: [FileError] = []
        for folder in folders {
            do throws(FileError) {
                try pool.add(folder: folder)
            } catch {
                failures.append(FileError(path: "SSL_CERT_DIR names \(error.path)", reason: error.reason))
            }
        }
        if failures.count == folders.count, let first = failures.first { throw first }
        for failure in failures { Warnings.report("\(failure); it is skipped") }
    }
}
