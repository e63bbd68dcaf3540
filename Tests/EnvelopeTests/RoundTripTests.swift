import Cryptography
import KMS
import Testing

@testable import Envelope

struct RoundTripTests {
    private func randomEntries(_ generator: inout SeededGenerator) -> [SecretEntry] {
        let names = Set((0..<Int.random(in: 0...12, using: &generator)).map { _ in generator.entryName() })
        return names.sorted().shuffled(using: &generator).map { name in
            let limit = [0, 1, 40, 5000].randomElement(using: &generator) ?? 0
            let count = Int.random(in: 0...limit, using: &generator)
            return SecretEntry(name, generator.bytes(count: count))
        }
    }

    @Test(arguments: 0..<60)
    func opensASealedEnvelopeWithEachRecipient(seed: UInt64) async throws {
        var generator = SeededGenerator(state: seed)
        let scope = try #require(Scope.allCases.randomElement(using: &generator))
        let binding = try Binding(scope: scope, namespace: "payments", secretName: "db")
        let entries = randomEntries(&generator)
        let (current, previous) = (try localKey(1), try localKey(2))
        let sealed = try await Envelope.seal(entries, binding: binding, with: current, recipients: [previous])
        let read = try Envelope(sealed.fields, namespace: "payments", secretName: "db")
        #expect(read.fields == sealed.fields)
        #expect(read.binding == binding)
        let expected = Dictionary(
            uniqueKeysWithValues: entries.map { entry in
                (entry.name, entry.value.bytes.withUnsafeBytes { Base64.encode($0) })
            })
        for key in [current, previous] {
            let opened = try await read.open(with: KeyRing(primary: key))
            #expect(opened.plaintext == expected)
            #expect(opened.keyID == key.keyID)
        }
    }

    @Test func sealsLargeValues() async throws {
        let value = try randomBytes(count: 256 * 1024)
        let binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
        let envelope = try await Envelope.seal(
            [SecretEntry("blob", value)], binding: binding, with: localKey())
        let opened = try await envelope.open(with: KeyRing(primary: localKey()))
        #expect(opened.plaintext == ["blob": Base64.encode(value)])
    }

    @Test func usesEachDataKeyAndNonceOnce() async throws {
        let key = try localKey()
        let binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
        let entries = [SecretEntry("a", [1, 2, 3]), SecretEntry("b", [1, 2, 3])]
        var dataKeys: Set<[UInt8]> = []
        var nonces: Set<[UInt8]> = []
        var macs: Set<[UInt8]> = []
        for _ in 0..<100 {
            let envelope = try await Envelope.seal(entries, binding: binding, with: key)
            let dataKey = try await key.unwrap(envelope.recipients[0], for: binding).key
            dataKeys.insert(dataKey.bytes.withUnsafeBytes { Array($0) })
            nonces.formUnion(envelope.entries.map { Array($0.sealed.prefix(12)) })
            nonces.insert(Array(try Base64.decode(envelope.recipients[0].wrappedKey).prefix(12)))
            macs.insert(envelope.mac)
        }
        #expect(dataKeys.count == 100)
        #expect(nonces.count == 300)
        #expect(macs.count == 100)
    }

    /// The length of the ciphertext discloses the length of the value, and nothing else does.
    @Test func sealedFieldsDoNotContainTheValue() async throws {
        let canary = "canary-7f3a9c"
        let binding = try Binding(scope: .strict, namespace: "payments", secretName: "db")
        let envelope = try await Envelope.seal(
            [SecretEntry("a", Array(canary.utf8))], binding: binding, with: localKey())
        #expect(!"\(envelope.fields)".contains(canary))
        #expect(!"\(envelope.fields)".contains(Base64.encode(canary.utf8)))
        #expect(envelope.entries[0].sealed.count == canary.utf8.count + 28)
    }
}
