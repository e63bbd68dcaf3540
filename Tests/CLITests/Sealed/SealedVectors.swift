import Cryptography
import Envelope
import Foundation
import TestSupport
import Testing

@testable import CLI

/// The output of Tests/Clients/sealed_secret.py: keys, and SealedSecrets of payments/db that `cryptography` sealed.
struct SealedVectors: Decodable {
    let keys: [String: String]
    let kubectl: [String: AnyJSON]
    let sealed: [String: AnyJSON]

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Reads the stored vectors.
    init() throws {
        let file = Self.repository.appending(path: "Tests/Vectors/sealed-secrets/sealed.json")
        try self.init(json: try Data(contentsOf: file))
    }

    init(json: Data) throws {
        self = try JSONDecoder().decode(SealedVectors.self, from: json)
    }

    func pem(_ name: String) throws -> String { try #require(keys[name]) }

    func manifest(_ name: String) throws -> AnyJSON { try #require(sealed[name]) }

    func sealingKeys(_ names: String...) throws -> SealingKeys {
        SealingKeys(
            try names.flatMap { name in
                try SealingKeys(in: SharedSecret(copying: try pem(name).utf8), source: "key.pem").keys
            })
    }
}

extension AnyJSON {
    /// Returns the SealedSecret with another sealed value of an entry.
    func sealing(_ entry: String, as value: [UInt8]) -> AnyJSON {
        var changed = self
        changed[["spec", "encryptedData", entry]] = .string(Base64.encode(value))
        return changed
    }

    /// Returns the sealed value of an entry.
    func sealed(_ entry: String) throws -> [UInt8] {
        try Base64.decode(try #require(self[["spec", "encryptedData", entry]]?.string))
    }
}

/// Opens what Python's `cryptography` seals now with new keys. Runs if Python has the package. `SB_TEST_PYTHON` names
/// the interpreter, which then must have it.
@Suite(.enabled(if: SealedOracle.isAvailable, "python3 with the package cryptography, or SB_TEST_PYTHON"))
struct SealedOracleTests {
    @Test(arguments: ["", "a line\nanother", String(repeating: "long ", count: 50_000)])
    func opensWhatPythonSeals(value: String) throws {
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

/// Runs Tests/Clients/sealed_secret.py.
enum SealedOracle {
    static let isAvailable = Python.hasModules("cryptography")

    static func seal(_ value: String) throws -> Data {
        try Python.run(["Tests/Clients/sealed_secret.py"], input: Data(value.utf8))
    }
}
