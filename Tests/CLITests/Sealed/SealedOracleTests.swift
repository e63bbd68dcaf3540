import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import CLI

/// What Python's `cryptography` seals now, with keys made now, opens. Runs where Python has that package;
/// `SB_TEST_PYTHON` names the interpreter, and then a Python that lacks it is a failure.
@Suite(.enabled(if: SealedOracle.isAvailable, "python3 with the package cryptography, or SB_TEST_PYTHON"))
struct SealedOracleTests {
    @Test(arguments: ["", "a line\nanother", String(repeating: "long ", count: 50_000)])
    func whatItSealsOpens(value: String) throws {
        let vectors = try SealedVectors(json: try SealedOracle.seal(value))
        let keys = try vectors.sealingKeys("second", "pkcs8")
        for name in ["strict", "namespace-wide", "cluster-wide", "second", "described", "whole"] {
            let objects = try ManifestFile.objects(
                in: SharedSecret(copying: try vectors.manifest(name).data()), source: "s.json",
                kind: "SealedSecret",
                group: "bitnami.com")
            let document = try SealedSecretDocument(try #require(objects.first), source: "s.json")
            let secret = try SealedSecretOpener(keys: keys, namespace: nil).open(document)
            #expect(text(secret.entries.first { $0.name == "password" }?.value) == value, "\(name)")
            let binary = secret.entries.first { $0.name == "binary" }?.value
            #expect(binary?.bytes.withUnsafeBytes { Array($0) } == Array(0...255), "\(name)")
        }
    }
}

/// Tests/Clients/sealed_secret.py.
enum SealedOracle {
    static let isAvailable = Python.hasModules("cryptography")

    static func seal(_ value: String) throws -> Data {
        try Python.run(["Tests/Clients/sealed_secret.py"], input: Data(value.utf8))
    }
}
