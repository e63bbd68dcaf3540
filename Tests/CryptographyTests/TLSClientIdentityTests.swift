import FoundationEssentials
import TestSupport
import Testing

@testable import Cryptography
@testable import HTTP
@testable import System

private func vector(_ name: String) throws -> [UInt8] { Array(try vectorFile("tls/\(name)")) }

/// The accepted and rejected forms are those of Go's `tls.X509KeyPair`, except that a byte order mark is
/// ignored.
struct TLSClientIdentityTests {
    private func identity(_ certificate: [UInt8], _ key: [UInt8]) throws -> TLSClientIdentity {
        try TLSClientIdentity(certificate: certificate, key: SharedSecret(copying: key))
    }

    private func problem(_ certificate: [UInt8], _ key: [UInt8]) -> TLSClientIdentity.IdentityError? {
        do {
            _ = try identity(certificate, key)
            return nil
        } catch {
            return error as? TLSClientIdentity.IdentityError
        }
    }

    @Test(arguments: [
        ("client.crt", "client.key"), ("client.crt", "client.sec1.key"), ("rsa.crt", "rsa.key"),
        ("other.crt", "other.key"),
    ])
    func readsEveryUnencryptedForm(certificate: String, key: String) throws {
        let identity = try identity(vector(certificate), vector(key))
        #expect(identity.chain == (try vector(certificate)))
        let form = identity.key.bytes.revealed()
        #expect(problem(identity.chain, form) == nil)
        #expect(String(decoding: form, as: UTF8.self).components(separatedBy: "BEGIN").count == 2)
    }

    @Test func ignoresByteOrderMarksTextAndOtherBlocks() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let both =
            try mark + Array("Bag Attributes\n".utf8) + vector("client.key") + vector("client.crt")
            + vector("ca.crt")
        let identity = try identity(both, both)
        #expect(identity.chain == (try vector("client.crt") + vector("ca.crt")))
        #expect(try problem(mark + vector("client.crt"), mark + vector("client.key")) == nil)
    }

    @Test(arguments: [
        ("client.crt", "client.encrypted.key"), ("client.crt", "client.sec1.encrypted.key"),
        ("rsa.crt", "rsa.encrypted.key"),
    ])
    func rejectsAnEncryptedKey(certificate: String, key: String) throws {
        let problem = try #require(try problem(vector(certificate), vector(key)))
        #expect(problem == .encryptedKey)
        #expect(
            problem.description.contains("is encrypted")
                || problem.description.contains("encrypted private key"))
        #expect(problem.description.contains("openssl pkey -in"))
    }

    @Test func rejectsAKeyOfAnotherCertificate() throws {
        #expect(try problem(vector("client.crt"), vector("other.key")) == .keyMismatch)
        #expect(try problem(vector("client.crt"), vector("rsa.key")) == .keyMismatch)
        // The key must belong to the first certificate.
        #expect(
            try problem(vector("ca.crt") + vector("client.crt"), vector("client.key"))
                == .keyMismatch)
    }

    @Test func rejectsDamagedOrMissingBlocks() throws {
        let (certificate, key) = (try vector("client.crt"), try vector("client.key"))
        #expect(problem([], key) == .noCertificate)
        #expect(problem(key, key) == .noCertificate)
        #expect(problem(certificate, []) == .noKey)
        #expect(problem(certificate, certificate) == .noKey)
        #expect(problem(Array(certificate.dropLast(40)), key) == .damagedCertificate(position: 1))
        #expect(
            problem(
                certificate + Array("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".utf8),
                key)
                == .damagedCertificate(position: 2))
        for cut in [30, 60, 100, key.count - 20] {
            #expect(problem(certificate, Array(key.prefix(cut))) == .damagedKey)
        }
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "DSA PRIVATE KEY"] {
            let text = "-----BEGIN \(label)-----\nAAAAAAAA\n-----END \(label)-----\n"
            #expect(problem(certificate, Array(text.utf8)) == .damagedKey)
        }
    }

    /// A changed byte never traps, and no message quotes the key.
    @Test func doesNotTrapOnChangedBytes() throws {
        let (certificate, key) = (try vector("client.crt"), try vector("client.sec1.key"))
        for place in stride(from: 0, to: key.count, by: 3) {
            var changed = key
            changed[place] ^= 0x15
            let message = problem(certificate, changed)?.description ?? ""
            #expect(!message.contains("\n"))
        }
        for place in stride(from: 0, to: certificate.count, by: 7) {
            var changed = certificate
            changed[place] ^= 0x15
            _ = problem(changed, key)
        }
    }
}

/// Go's `CertPool.AppendCertsFromPEM`, with a warning for each ignored block.
struct CertificatePoolTests {
    private let good = ["ca.crt", "other.crt"]

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

    @Test func readsFilesAndFolders() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Vectors/tls").path
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
