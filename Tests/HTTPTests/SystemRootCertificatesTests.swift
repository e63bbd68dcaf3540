import FoundationEssentials
import System
import TestSupport
import Testing

@testable import HTTP

/// As in Go's crypto/x509 on Linux (root_unix.go), each variable replaces only its own list.
@Suite struct SystemRootCertificatesTests {
    private let folder: TemporaryFolder
    private let certificates: [String]

    init() throws {
        folder = try TemporaryFolder()
        let vectors = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/tls")
        certificates = try ["ca.crt", "other.crt", "rsa.crt"].map {
            try String(contentsOf: vectors.appending(path: $0), encoding: .utf8)
        }
        try folder.write("standard.pem", certificates[0])
        try folder.write("standard/a.pem", certificates[1])
        try folder.write("mine.pem", certificates[2])
        try folder.write("mine/x", certificates[2])
        try folder.write("mine/damaged", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
        try folder.link("mine/loop", to: ".")
        try folder.link("mine/gone", to: "nowhere")
    }

    private func pool(_ environment: [String: String]) throws -> CertificatePool {
        var system = try #require(SystemRootCertificates(environment))
        system.standardFiles = [
            folder.path("none.pem"), folder.path("standard.pem"), folder.path("mine.pem"),
        ]
        system.standardFolders = [folder.path("none"), folder.path("standard")]
        var pool = CertificatePool()
        try system.add(to: &pool)
        return pool
    }

    private func pem(_ indices: Int...) -> [UInt8] { indices.flatMap { Array(certificates[$0].utf8) } }

    @Test func replacesOnlyTheListOfTheVariable() throws {
        #expect(SystemRootCertificates([:]) == nil)
        #expect(SystemRootCertificates(["SSL_CERT_FILE": "", "SSL_CERT_DIR": ""]) == nil)
        #expect(try pool(["SSL_CERT_FILE": folder.path("mine.pem")]).pem == pem(2, 1))
        #expect(try pool(["SSL_CERT_DIR": folder.path("mine")]).pem == pem(0, 2))
        #expect(
            try pool(["SSL_CERT_FILE": folder.path("mine.pem"), "SSL_CERT_DIR": folder.path("mine")]).pem
                == pem(2))
        #expect(
            try pool(["SSL_CERT_DIR": "\(folder.path("standard")):\(folder.path("mine"))"]).pem
                == pem(0, 1, 2))
    }

    @Test func warnsAboutDamagedCertificatesOfAFolder() throws {
        let warnings = try pool(["SSL_CERT_DIR": folder.path("mine")]).warnings
        #expect(
            warnings == [
                "\(folder.path("mine/damaged")): certificate 1 of 1 (line 1) is damaged (it is not an X.509 certificate) "
                    + "and is left out; replace it"
            ])
    }

    @Test func throwsForUnreadableFilesAndFolders() throws {
        for (environment, message) in [
            (["SSL_CERT_FILE": "/no"], "SSL_CERT_FILE names /no: No such file or directory"),
            (["SSL_CERT_FILE": "/dev/zero"], "SSL_CERT_FILE names /dev/zero: is not a file"),
            (
                ["SSL_CERT_FILE": folder.path("mine/damaged")],
                "SSL_CERT_FILE names \(folder.path("mine/damaged")): holds no certificate that can be read"
            ),
            (["SSL_CERT_DIR": "/no:/none"], "SSL_CERT_DIR names /no: No such file or directory"),
            (
                ["SSL_CERT_DIR": folder.path("mine.pem")],
                "SSL_CERT_DIR names \(folder.path("mine.pem")): Not a directory"
            ),
        ] {
            let error = #expect(throws: FileError.self) { try pool(environment) }
            #expect(error?.description == message)
        }
    }
}
