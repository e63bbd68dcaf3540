import System
import TestSupport

/// Certificates made by openssl: a CA with a server and a client certificate, and an unrelated CA.
final class TestCertificates: Sendable {
    private struct Latest {
        weak var certificates: TestCertificates?
    }

    private static let latest = Locked(Latest())

    /// Returns the certificates that another test uses now, or new ones. Their files are removed with the last test, while
    /// those of a `static let` would stay.
    static func shared() throws -> TestCertificates {
        try latest.withLock { latest in
            if let certificates = latest.certificates { return certificates }
            let new = try TestCertificates()
            latest.certificates = new
            return new
        }
    }

    let folder: TemporaryFolder
    /// The names in the server's certificate; 127.0.0.1 is not among them.
    static let serverNames = ["localhost", "api.internal"]

    private init() throws {
        folder = try TemporaryFolder()
        for authority in ["ca", "unrelated"] { try makeAuthority(authority) }
        let names = Self.serverNames.map { "DNS:\($0)" }.joined(separator: ",")
        try makeCertificate("server", "subjectAltName=\(names)")
        try makeCertificate("client", "extendedKeyUsage=clientAuth")
    }

    func pem(_ name: String) throws -> [UInt8] { Array(try folder.read(name).utf8) }

    /// Returns the client's key, encrypted. `form` is `-traditional` or an option of `openssl pkcs8`.
    func encryptedClientKey(_ form: String) throws -> [UInt8] {
        let output = folder.path("encrypted\(form).key")
        if form == "-traditional" {
            try ChildProcess.run(
                "openssl", "ec", "-in", folder.path("client.key"), "-aes128", "-passout", "pass:x", "-out",
                output)
        } else {
            try ChildProcess.run(
                "openssl", "pkcs8", "-topk8", "-in", folder.path("client.key"), "-passout", "pass:x", "-out",
                output)
        }
        return try pem("encrypted\(form).key")
    }

    private func makeAuthority(_ name: String) throws {
        try ChildProcess.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=\(name)", "-keyout", folder.path("\(name).key"),
            "-out", folder.path("\(name).crt"))
    }

    private func makeCertificate(_ name: String, _ extensionLine: String) throws {
        try folder.write("\(name).ext", "\(extensionLine)\n")
        try ChildProcess.run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=\(name)", "-keyout", folder.path("\(name).key"),
            "-out", folder.path("\(name).csr"))
        try ChildProcess.run(
            "openssl", "x509", "-req", "-days", "2", "-in", folder.path("\(name).csr"),
            "-CA", folder.path("ca.crt"), "-CAkey", folder.path("ca.key"), "-CAcreateserial",
            "-extfile", folder.path("\(name).ext"), "-out", folder.path("\(name).crt"))
    }
}
