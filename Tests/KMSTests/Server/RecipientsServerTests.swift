import Cryptography
import Settings
import TestSupport
import Testing

@testable import Envelope
@testable import KMS

/// Envelopes with recipients in four key management services.
@Suite(
    .enabled(
        if: OpenBao.isAvailable && AWSPython.isAvailable && GCPServer.isAvailable && AzureServer.isAvailable),
    .serialized, .timeLimit(.minutes(5)))
struct RecipientsServerTests {
    private let entries = [SecretEntry(name: "password", value: SharedSecret(copying: "hunter2".utf8))]

    private func withKeys(_ body: ([any KeyManager]) async throws -> Void) async throws {
        let bao = try await OpenBao()
        try await bao.makeKey()
        let moto = try await MotoKMS.server()
        let google = try await GCPTestKey.create()
        let azure = try await AzureTestVault.create(isManagedHSM: false)
        func key(_ settings: [String: String]) throws -> any KeyManager {
            try KeyRing.load(from: Environment(settings)).primary
        }
        try await body([
            try bao.manager(), try moto.manager(try moto.createKey()),
            try key(try await google.allowedSettings()), try key(azure.applicationSettings),
        ])
    }

    private func permutations<Element>(_ elements: [Element]) -> [[Element]] {
        guard elements.count > 1 else { return [elements] }
        return elements.indices.flatMap { index in
            var rest = elements
            let first = rest.remove(at: index)
            return permutations(rest).map { [first] + $0 }
        }
    }

    private func envelope(_ envelope: Envelope, _ recipients: [Recipient]) -> Envelope {
        Envelope(
            binding: envelope.binding, recipients: recipients, mac: envelope.mac, entries: envelope.entries)
    }

    @Test func eachKeyOpensTheEnvelopeInEveryOrderOfTheRecipients() async throws {
        try await withKeys { keys in
            let sealed = try await Envelope.seal(
                entries, binding: sampleBinding, with: keys[0], recipients: Array(keys.dropFirst()))
            for recipients in permutations(sealed.recipients) {
                for key in keys {
                    let opened = try await envelope(sealed, recipients).open(with: KeyRing(primary: key))
                    #expect(opened.keyID == key.keyID)
                    #expect(opened.entries.first?.value.equals(entries[0].value) == true)
                }
            }
        }
    }

    /// A user who may wrap can write a recipient of another data key.
    @Test func theMACCatchesAForgedRecipient() async throws {
        try await withKeys { keys in
            let sealed = try await Envelope.seal(
                entries, binding: sampleBinding, with: keys[0], recipients: Array(keys.dropFirst()))
            for (index, key) in keys.enumerated() {
                var recipients = sealed.recipients
                let forged = SharedSecret(try SecretBytes.random(count: 32))
                recipients[index] = try await key.wrap(forged, for: sampleBinding)
                do throws(EnvelopeError) {
                    _ = try await envelope(sealed, recipients).open(with: KeyRing(primary: key))
                    Issue.record("\(key.keyID) opened an envelope with a forged recipient")
                } catch {
                    #expect(error == .integrityFailed(keyID: recipients[index].keyID))
                }
                // Another recipient still opens it.
                let other = keys[(index + 1) % keys.count]
                let ring = KeyRing(primary: key, others: [other])
                #expect(try await envelope(sealed, recipients).open(with: ring).keyID == other.keyID)
            }
        }
    }
}
