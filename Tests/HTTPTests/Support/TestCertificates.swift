/// A CA with a server and a client certificate, and a CA that nobody has heard of, made by openssl for one
/// test run.
final class TestCertificates: Sendable {
    /// Made once; `nil` with openssl missing.
    static let shared: Result<TestCertificates, any Error> = Result { try TestCertificates() }

    let directory: TemporaryDirectory
    /// The names in the server's certificate; 127.0.0.1 is not among them.
    static let serverNames = ["localhost", "api.internal"]

    private init() throws {
        directory = try TemporaryDirectory()
        for authority in ["ca", "stranger"] { try makeAuthority(authority) }
        let names = Self.serverNames.map { "DNS:\($0)" }.joined(separator: ",")
        try makeCertificate("server", "subjectAltName=\(names)")
        try makeCertificate("client", "extendedKeyUsage=clientAuth")
    }

    func pem(_ name: String) throws -> [UInt8] { try directory.read(name) }

    private func makeAuthority(_ name: String) throws {
        try ChildProcess.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=\(name)", "-keyout", directory.file("\(name).key"),
            "-out", directory.file("\(name).crt"))
    }

    private func makeCertificate(_ name: String, _ extensionLine: String) throws {
        try directory.write("\(name).ext", Array("\(extensionLine)\n".utf8))
        try ChildProcess.run(
            "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=\(name)", "-keyout", directory.file("\(name).key"),
            "-out", directory.file("\(name).csr"))
        try ChildProcess.run(
            "openssl", "x509", "-req", "-days", "2", "-in", directory.file("\(name).csr"),
            "-CA", directory.file("ca.crt"), "-CAkey", directory.file("ca.key"), "-CAcreateserial",
            "-extfile", directory.file("\(name).ext"), "-out", directory.file("\(name).crt"))
    }
}
