import Cryptography
import Foundation
import TestSupport
import Testing

@testable import CLI

/// Certificates and keys are checked as `kubectl create secret tls` checks them.
@Suite struct TLSKeyPairTests {
    private let folder: TemporaryFolder
    /// The certificates are valid from 2026-11-28 to 2126-11-04.
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    init() throws { folder = try TemporaryFolder() }

    private func vector(_ name: String) throws -> String {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: tests.appending(path: "Vectors/tls/\(name)"), encoding: .utf8)
    }

    private func arguments(
        _ certificates: [String], key: String, at time: Date? = nil
    ) throws -> SecretArguments {
        let certificate = try folder.write("tls.crt", try certificates.map(vector).joined())
        let key = try folder.write("tls.key", try vector(key))
        var arguments = SecretArguments()
        try arguments.addTLSPair(certificate: certificate, key: key, at: time ?? now)
        return arguments
    }

    @Test func keepsTheBytesOfAMatchingPair() throws {
        let arguments = try arguments(["client.crt", "ca.crt"], key: "client.key")
        let secret = arguments.secret(name: "web", namespace: "payments", type: nil)
        #expect(arguments.notes == [])
        #expect(secret.type == "kubernetes.io/tls")
        #expect(entries(secret)["tls.crt"] == (try vector("client.crt") + vector("ca.crt")))
        #expect(entries(secret)["tls.key"] == (try vector("client.key")))
    }

    @Test func refusesAKeyOfAnotherCertificate() {
        #expect(throws: InputError.self) { try arguments(["client.crt"], key: "rsa.key") }
    }

    @Test func namesTheFileThatCannotBeUsed() throws {
        do {
            _ = try arguments(["client.crt"], key: "client.encrypted.key")
            Issue.record("an encrypted key was accepted")
        } catch {
            #expect("\(error)".hasPrefix("\(folder.path("tls.key")): holds an encrypted private key"))
        }
    }

    @Test func notesAnExpiredCertificate() throws {
        let notes = try arguments(
            ["client.crt"], key: "client.key", at: Date(timeIntervalSince1970: 5_000_000_000)
        ).notes
        #expect(notes.count == 1)
        #expect(notes.first?.contains("certificate 1 expired on 2126-11-04T") == true, "\(notes)")
    }

    @Test func notesACertificateOfTheFuture() throws {
        let notes = try arguments(["client.crt"], key: "client.key", at: Date(timeIntervalSince1970: 0)).notes
        #expect(notes.first?.contains("certificate 1 is not valid before 2026-11-28T") == true, "\(notes)")
    }

    @Test func notesAWrongOrder() throws {
        let notes = try arguments(["client.crt", "other.crt"], key: "client.key").notes
        #expect(notes.count == 1)
        #expect(notes.first?.contains("certificate 2 did not issue certificate 1") == true, "\(notes)")
    }

    @Test func notesAPrivateKeyAmongTheCertificates() throws {
        let notes = try arguments(["client.crt", "client.key"], key: "client.key").notes
        #expect(notes.first?.contains("holds a private key too") == true, "\(notes)")
    }

    @Test func refusesARegistryBesideAPair() throws {
        var arguments = try arguments(["client.crt"], key: "client.key")
        let credential = try RegistryCredential(
            server: "ghcr.io", username: "app", email: nil, password: SharedSecret(copying: [0x61]))
        #expect(throws: InputError.self) { try arguments.addRegistry(credential) }
    }
}
