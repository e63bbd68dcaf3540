import Cryptography
import System

/// The CA certificates that a client trusts, as PEM for libcurl. Files are read when they are first needed and again
/// when they change; libcurl gets certificates alone, so that no other block of a bundle reaches its parser.
final class TrustStore: Sendable {
    struct LoadError: Error, CustomStringConvertible {
        let description: String
    }

    private enum Source {
        /// libcurl's own choice, or no verification.
        case none
        case pem([UInt8])
        case file(String)
        case system(SystemRootCertificates)
    }

    private struct Loaded {
        let authorities: SharedSecret
        let stamp: FileFingerprint?
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

    /// Returns nil if libcurl's own CAs count. Reads files, and blocks while it does.
    func trustedCertificates() throws(LoadError) -> SharedSecret? {
        if case .none = source { return nil }
        return try loaded.withLock { loaded throws(LoadError) in
            var stamp: FileFingerprint?
            if case .file(let path) = source { stamp = FileFingerprint(path: path) }
            if let loaded, loaded.stamp == stamp { return loaded.authorities }
            let pool = try load()
            let authorities = SharedSecret(copying: pool.pem)
            loaded = Loaded(authorities: authorities, stamp: stamp)
            return authorities
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
        case .system: " in what SSL_CERT_FILE and SSL_CERT_DIR name"
        case .none, .pem: ""
        }
    }
}
