import FoundationEssentials
import TestSupport
import Testing

@testable import Cryptography

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
