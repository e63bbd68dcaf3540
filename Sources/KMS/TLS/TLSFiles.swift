import Cryptography
import FoundationEssentials
import Glibc
import HTTP
import System

/// The PEM files that settings name. As Go's crypto/tls does, a pool of CAs takes what can be read of it; what is left out
/// is reported as a warning.
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

    /// The CAs of both.
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
            // As the vault and bao command lines do, files of other kinds are passed over.
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
            let identity = try TLSClientIdentity(certificate: certificate, key: key)
            return .init(chain: identity.chain, key: identity.key)
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

    /// `place`: `names a.pem, which holds`.
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

    /// The regular files below a folder, in the order of their names; a file alone is one. Links to files count, those to
    /// folders do not, nor what begins with `..`: behind a mounted ConfigMap, the same files are there again.
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
                            "is no path of a folder; a folder of PEM files is expected, not their content")
                }
                throw SettingError(
                    variable: folder.variable,
                    problem:
                        "names \(path), which is \(kind?.phrase ?? "not to be read"); a folder of PEM files is expected"
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
