import Cryptography
import FoundationEssentials
import System
import Testing

@testable import HTTP

private let vectors = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Vectors/tls")

private func vector(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: vectors.appending(path: name)))
}

/// Go's `CertPool.AppendCertsFromPEM`, with a warning for each ignored block.
struct CertificatePoolTests {
    private func pool(_ text: [UInt8]) -> CertificatePool {
        var pool = CertificatePool()
        pool.add(SecretBytes(copying: text), from: "ca.pem")
        return pool
    }

    @Test func addsEachCertificateOnce() throws {
        let (one, two) = (try vector("ca.crt"), try vector("other.crt"))
        let pool = pool(Array("# text\n".utf8) + one + two + one)
        #expect(pool.count == 2)
        #expect(pool.pem == one + two)
        #expect(pool.warnings.isEmpty)
        #expect(self.pool([]).count == 0)
    }

    @Test(arguments: [
        (
            "-----BEGIN CERTIFICATE-----\nMII*\n-----END CERTIFICATE-----\n",
            "is damaged (its base64 cannot be read)"
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
            "is damaged (it is not an X.509 certificate)"
        ),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n", "has no end"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END X-----\n", "has no end"),
        (
            "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,00\n\nAAAA\n-----END CERTIFICATE-----\n",
            "is encrypted"
        ),
    ])
    func ignoresOnlyTheDamagedCertificate(damaged: String, problem: String) throws {
        let (one, two) = (try vector("ca.crt"), try vector("other.crt"))
        let pool = pool(one + Array(damaged.utf8) + two)
        #expect(pool.pem == one + two)
        let line = one.count { $0 == UInt8(ascii: "\n") } + 1
        #expect(
            pool.warnings == [
                "ca.pem: certificate 2 of 3 (line \(line)) \(problem) and is left out; replace it"
            ])
        #expect(self.pool(Array(damaged.utf8)).count == 0)
    }

    @Test(arguments: ["client.key", "client.encrypted.key", "rsa.encrypted.key", "client.sec1.encrypted.key"])
    func ignoresPrivateKeys(key: String) throws {
        let one = try vector("ca.crt")
        let pool = try pool(vector(key) + one)
        #expect(pool.pem == one)
        #expect(pool.warnings.count == 1)
        #expect(pool.warnings.first?.hasSuffix("is not a CA certificate and is left out; remove it") == true)
    }

    @Test func readsByteOrderMarksAndCarriageReturns() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let (one, two) = (try vector("ca.crt"), try vector("other.crt"))
        #expect(pool(mark + one + mark + two).count == 2)
        #expect(pool(one.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }).pem == one)
    }

    @Test func recognisesDER() {
        var pool = CertificatePool()
        #expect(pool.add(SecretBytes(copying: [0x30, 0x82, 1, 0, 0x30, 0x82]), from: "ca.der") == 0)
        #expect(pool.warnings.first?.contains("openssl x509 -inform DER") == true)
    }

    @Test func readsFilesAndFolders() throws {
        let folder = vectors.path
        var pool = CertificatePool()
        #expect(try pool.add(file: "\(folder)/ca.crt") == 1)
        #expect(try pool.add(folder: folder) == 4)
        #expect(pool.count == 4)
        #expect(throws: FileError(path: "/no/ca.crt", reason: "No such file or directory")) {
            try pool.add(file: "/no/ca.crt")
        }
        #expect(throws: FileError(path: folder, reason: "is not a file")) { try pool.add(file: folder) }
        #expect(throws: FileError(path: "/dev/zero", reason: "is not a file")) {
            try pool.add(file: "/dev/zero")
        }
        #expect(throws: FileError(path: "/no", reason: "No such file or directory")) {
            try pool.add(folder: "/no")
        }
    }
}
