import Cryptography
import Foundation
import KMS
import TestSupport
import Testing

@testable import Envelope

/// Opens sealed envelopes with an independent implementation, and compares the vectors with their generator. Runs if Python has
/// the package `cryptography`; if `SB_TEST_PYTHON` names an interpreter without it, the tests fail.
@Suite(
    .enabled(
        if: Python.hasModules("cryptography"), "python3 with the package cryptography, or SB_TEST_PYTHON"))
struct CrossCheckTests {
    private let master = [UInt8](repeating: 3, count: 32)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Seals the values, as a case that the other implementation has to open.
    private func sealedCase(
        _ name: String, _ values: [String: [UInt8]], scope: Scope = .strict
    ) async throws -> VectorCase {
        let key = try LocalKeyManager(master: SharedSecret(copying: master))
        let fields = try await Envelope.seal(
            values.map { SecretEntry($0, $1) },
            binding: Binding(scope: scope, namespace: "payments", secretName: "db"), with: key,
            recipients: [localKey(4)]
        ).fields
        return VectorCase(
            name: name, comment: "", expect: .opens, plaintext: values.mapValues { Base64.encode($0) },
            masters: [Base64.encode(master)], namespace: "payments", secretName: "db",
            spec: .init(
                format: fields.format, scope: fields.scope, mac: fields.mac,
                recipients: fields.recipients.map {
                    .init(keyID: $0.keyID, wrappedKey: $0.wrappedKey, algorithm: $0.algorithm)
                },
                data: fields.data))
    }

    private func vectors(_ arguments: [String]) async throws -> Python.Outcome {
        try await Python.runOnThread { try Python.outcome(["hack/vectors"] + arguments, errorsToo: true) }
    }

    private func check(_ cases: [VectorCase]) async throws -> Python.Outcome {
        let file = try folder.write("cases.json", JSONEncoder().encode(VectorFile(cases: cases)))
        return try await vectors(["--check", file])
    }

    @Test func theOtherImplementationOpensSealedEnvelopes() async throws {
        var cases = [
            try await sealedCase("empty", [:]), try await sealedCase("empty value", ["a": []]),
            try await sealedCase("namespace", ["a": [1]], scope: .namespace),
            try await sealedCase("cluster", ["a": [1]], scope: .cluster),
            try await sealedCase("binary", ["a": Array(0...255)]),
            try await sealedCase(
                "order", Dictionary(uniqueKeysWithValues: "-.019ABab_".map { ("\($0)x", [1]) })),
            try await sealedCase("large", ["a": randomBytes(count: 256 * 1024)]),
        ]
        var generator = SeededGenerator(state: 42)
        for number in 0..<100 {
            var values: [String: [UInt8]] = [:]
            for _ in 0..<Int.random(in: 0...10, using: &generator) {
                values[generator.entryName()] = generator.bytes(
                    count: .random(in: 0...100, using: &generator))
            }
            let scope = try #require(Scope.allCases.randomElement(using: &generator))
            cases.append(try await sealedCase("random \(number)", values, scope: scope))
        }
        let outcome = try await check(cases)
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(outcome.text.contains("107 of 107 cases"), "\(outcome.text)")
    }

    @Test func theOtherImplementationOpensEnvelopesOfPublicKeys() async throws {
        let file = VectorFile.folder.appending(path: "public-keys.json")
        var cases: [VectorCase] = []
        for vector in try VectorFile(contentsOf: file).cases.prefix(8) {
            let key = try #require(vector.rsaKeys?.first)
            let recipientKey = try RecipientKey(
                keyID: key.keyID, keyVersion: key.keyID.hasPrefix("vault-transit:") ? "3" : nil,
                publicKey: RSAPublicKey(pem: key.publicKey))
            let fields = try await Envelope.seal(
                [SecretEntry("a", [1, 2])],
                binding: Binding(scope: .strict, namespace: "payments", secretName: "db"),
                with: RecipientKeyManager(recipientKey), recipients: [localKey(4)]
            ).fields
            #expect(fields.recipients.first?.algorithm == "RSA-OAEP-256")
            var made = vector
            made.name = "made for \(vector.name)"
            made.plaintext = ["a": Base64.encode([1, 2])]
            made.spec = .init(
                format: fields.format, scope: fields.scope, mac: fields.mac,
                recipients: fields.recipients.map {
                    .init(keyID: $0.keyID, wrappedKey: $0.wrappedKey, algorithm: $0.algorithm)
                }, data: fields.data)
            cases.append(made)
        }
        let outcome = try await check(cases)
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(outcome.text.contains("8 of 8 cases"), "\(outcome.text)")
    }

    @Test func theOtherImplementationRejectsAChangedEnvelope() async throws {
        var changed = try await sealedCase("changed", ["a": [1], "b": [2]])
        let other = changed.spec.data?["b"]
        changed.spec.data?["a"] = other
        #expect(try await check([changed]).status == 1)
        changed.expect = .integrityFailed
        #expect(try await check([changed]).status == 0)
    }

    @Test func opensLargeValuesOfTheOtherImplementation() async throws {
        let file = folder.path("large.json")
        let outcome = try await vectors(["--large", file])
        try #require(outcome.status == 0, "\(outcome.text)")
        let cases = try VectorFile(contentsOf: URL(filePath: file)).cases
        #expect(cases.count == 1)
        for vector in cases { try await VectorTests().check(vector) }
    }

    @Test func theVectorsAreTheOutputOfTheirGenerator() async throws {
        let outcome = try await vectors(["--verify"])
        #expect(outcome.status == 0, "\(outcome.text)")
    }
}
