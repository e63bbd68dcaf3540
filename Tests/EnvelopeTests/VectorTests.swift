import FoundationEssentials
import KMS
import System
import TestSupport
import Testing

@testable import Envelope

/// Valid and invalid envelopes of an independent implementation.
struct VectorTests {
    @Test(arguments: try VectorFile.names())
    func opensOrRejectsAsExpected(file: String) async throws {
        let cases = try VectorFile(contentsOf: VectorFile.folder.appending(path: file)).cases
        #expect(!cases.isEmpty)
        for vector in cases {
            try await check(vector)
        }
    }

    @Test func vectorsCoverEveryKindOfError() throws {
        var seen: [VectorCase.Expectation: Int] = [:]
        for file in try VectorFile.names() {
            for vector in try VectorFile(contentsOf: VectorFile.folder.appending(path: file)).cases {
                seen[vector.expect, default: 0] += 1
            }
        }
        #expect(seen.count == 6)
        #expect(seen.values.reduce(0, +) >= 270)
    }

    @Test func rejectsUnknownKeysAndExpectations() throws {
        let good = try Data(contentsOf: VectorFile.folder.appending(path: "values.json"))
        let text = String(decoding: good, as: UTF8.self)
        let folder = try TemporaryFolder()
        for (known, other) in [
            ("\"comment\"", "\"coment\""), ("\"opens\"", "\"open\""), ("\"scope\"", "\"scop\""),
        ] {
            try folder.write("a.json", text.replacing(known, with: other))
            #expect(throws: (any Error).self, "\(other)") {
                try VectorFile(contentsOf: URL(filePath: folder.path("a.json")))
            }
        }
    }

    /// Checks one case. CrossCheckTests call it for generated cases.
    func check(_ vector: VectorCase) async throws {
        let ring = try vector.keyRing()
        do throws(EnvelopeError) {
            let envelope = try Envelope(
                vector.fields, namespace: vector.namespace, secretName: vector.secretName)
            let opened = try await envelope.open(with: ring)
            #expect(vector.expect == .opens, "\(vector.name) opens")
            #expect(envelope.fields == vector.fields, "\(vector.name)")
            let names = opened.entries.map(\.name)
            #expect(names == names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
            #expect(opened.plaintext == vector.plaintext, "\(vector.name)")
        } catch {
            #expect(expectation(for: error) == vector.expect, "\(vector.name): \(error)")
            #expect(!"\(error)".contains("\n"), "\(vector.name)")
        }
    }

    private func expectation(for error: EnvelopeError) -> VectorCase.Expectation? {
        switch error {
        case .invalid: .invalidSpec
        case .unsupportedFormat: .unsupportedFormat
        case .noUsableRecipient: .noUsableRecipient
        case .integrityFailed: .integrityFailed
        case .decryptFailed: .decryptFailed
        case .keyManager(let error): error.code == .invalidCiphertext ? .decryptFailed : nil
        case .crypto: nil
        }
    }
}
