import System

/// The system's CA certificates where SSL_CERT_FILE or SSL_CERT_DIR is set, as Go's crypto/x509 finds them on Linux:
/// SSL_CERT_FILE takes the place of the list of files, of which the first that is there counts; SSL_CERT_DIR, folders
/// with colons between them, takes the place of the list of folders, all of which count. Unlike Go, a file that is set and
/// cannot be read, and folders of which none can be, are errors.
struct SystemRootCertificates: Sendable {
    private let file: String?
    private let folders: [String]?
    var standardFiles = Self.standardFiles
    var standardFolders = Self.standardFolders

    /// Go's lists (crypto/x509, root_linux.go).
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
        for failure in failures { Warnings.report("\(failure); it is left out") }
    }
}
