import FoundationEssentials
import System

@testable import Envelope

/// One case of a file in Tests/Vectors/envelope (see its README). Decoding fails on an unknown key or `expect`, so that no part of
/// a case is ignored.
struct VectorCase: Codable {
    enum Expectation: String, Codable {
        case opens, invalidSpec, unsupportedFormat, noUsableRecipient, decryptFailed, integrityFailed
    }

    struct Spec: Codable {
        struct Recipient: Codable {
            var keyID, wrappedKey: String
            var algorithm: String?
        }

        var format, scope, mac: String?
        var recipients: [Recipient]?
        var data: [String: String]?
    }

    /// A key of a KMS, in PEM.
    struct RSAKey: Codable {
        var keyID, privateKey, publicKey: String
    }

    var name, comment: String
    var expect: Expectation
    /// Base64 of the value by entry name, if the envelope opens.
    var plaintext: [String: String]?
    /// Base64 of the master keys of the reader.
    var masters: [String]
    /// The RSA keys of the reader, if it has any.
    var rsaKeys: [RSAKey]?
    var namespace, secretName: String
    var spec: Spec

    /// The fields of a decoded WrappedSecret, in which absent fields are empty.
    var fields: EnvelopeFields {
        EnvelopeFields(
            format: spec.format ?? "", scope: spec.scope ?? "",
            recipients: (spec.recipients ?? []).map {
                Recipient(keyID: $0.keyID, wrappedKey: $0.wrappedKey, algorithm: $0.algorithm)
            }, mac: spec.mac ?? "", data: spec.data ?? [:])
    }
}

struct VectorFile: Codable {
    var cases: [VectorCase]

    static let repository = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let folder = repository.appending(path: "Tests/Vectors/envelope")

    /// Returns the names of the files.
    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".json") }.sorted()
    }

    init(cases: [VectorCase]) {
        self.cases = cases
    }

    init(contentsOf file: URL) throws {
        let data = try Data(contentsOf: file)
        try KnownKeys.check(data)
        self = try JSONDecoder().decode(VectorFile.self, from: data)
    }
}

/// Rejects keys that `VectorCase` does not read.
private enum KnownKeys {
    struct Unknown: Error { let keys: Set<String> }

    private struct File: Decodable {
        let cases: [Case]
    }

    private struct Case: Decodable {
        let spec: Spec

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            try container.require([
                "name", "comment", "expect", "plaintext", "masters", "rsaKeys", "namespace", "secretName",
                "spec",
            ])
            spec = try container.decode(Spec.self, forKey: Key(stringValue: "spec"))
        }
    }

    private struct Spec: Decodable {
        init(from decoder: any Decoder) throws {
            try decoder.container(keyedBy: Key.self)
                .require(["format", "scope", "recipients", "mac", "data"])
        }
    }

    struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    static func check(_ data: Data) throws {
        _ = try JSONDecoder().decode(File.self, from: data)
    }
}

extension KeyedDecodingContainer<KnownKeys.Key> {
    fileprivate func require(_ known: Set<String>) throws {
        let unknown = Set(allKeys.map(\.stringValue)).subtracting(known)
        guard unknown.isEmpty else { throw KnownKeys.Unknown(keys: unknown) }
    }
}
