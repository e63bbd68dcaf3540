import Cryptography
import Foundation
import TestSupport
import Testing

@testable import CLI

/// What Tests/Clients/sealed_secret.py prints: keys, and SealedSecrets of payments/db that `cryptography` sealed.
struct SealedVectors: Decodable {
    let keys: [String: String]
    let kubectl: [String: AnyJSON]
    let sealed: [String: AnyJSON]

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// Those in Tests/Vectors/sealed-secrets.
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
    /// Another value for an entry that is sealed.
    func sealing(_ entry: String, as value: [UInt8]) -> AnyJSON {
        var changed = self
        changed[["spec", "encryptedData", entry]] = .string(Base64.encode(value))
        return changed
    }

    /// An entry as it is sealed.
    func sealed(_ entry: String) throws -> [UInt8] {
        try Base64.decode(try #require(self[["spec", "encryptedData", entry]]?.string))
    }
}
