import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

let gcpKey = "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-wrap"
let gcpRecipient = Recipient(keyID: "gcp-kms:\(gcpKey)", wrappedKey: "QUJDREVGR0hJSktMTU5P")

/// Makes a key manager that uses the transport of a test.
func gcpKeyManager(
    _ transport: any HTTPTransport, _ more: [String: String] = [:],
    tokens: any CloudTokenProvider = FakeTokens("ya29.test"), clock: ManualClientClock = ManualClientClock(),
    observer: (any KeyManagerObserver)? = nil
) throws -> GCPKeyManager {
    let values = ["SB_KMS_GCP_KEY": gcpKey].merging(more) { $1 }
    let settings = try GCPSettings.load(from: Environment(values), credentials: nil)
    return GCPKeyManager(
        settings, key: settings.key.key, transport: transport,
        tokens: tokens, observer: observer, clock: clock.clock)
}

/// Responds like Cloud KMS to the given operations, and denies all others, such as reading the key.
func fakeGCP(_ answers: [String: @Sendable (AnyJSON) -> FakeTransport.Response]) -> FakeTransport {
    FakeTransport { request in
        let operation =
            request.method == .get ? "get" : request.path.split(separator: ":").last.map(String.init) ?? ""
        return answers[operation]?(request.json ?? .null)
            ?? .gcpError(403, "PERMISSION_DENIED", reason: "IAM_PERMISSION_DENIED")
    }
}

extension FakeTransport.Response {
    static func gcpError(
        _ status: Int, _ name: String, _ message: String = "canary", reason: String? = nil,
        violation: String? = nil, fields: HTTPFields = [:]
    ) -> Self {
        var details: [AnyJSON] = []
        if let reason {
            details.append([
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": .string(reason),
                "domain": "googleapis.com",
            ])
        }
        if let violation {
            details.append([
                "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
                "violations": [["type": .string(violation), "subject": "canary"]],
            ])
        }
        return .json(
            [
                "error": [
                    "code": .int(status), "status": .string(name), "message": .string(message),
                    "details": .array(details),
                ]
            ], status, fields: fields)
    }

    static func gcpDecrypted(
        _ plaintext: [UInt8] = Array(repeating: 7, count: 32), crc: UInt32? = nil, usedPrimary: Bool = true
    ) -> Self {
        var body: AnyJSON = [
            "plaintext": .string(Base64.encode(plaintext)),
            "plaintextCrc32c": .string("\(crc ?? CRC32C.checksum(plaintext))"), "protectionLevel": "SOFTWARE",
        ]
        if usedPrimary { body["usedPrimary"] = true }
        return .json(body)
    }

    static func gcpEncrypted(
        _ ciphertext: [UInt8] = Array("ciphertext".utf8), by name: String = "\(gcpKey)/cryptoKeyVersions/3",
        changing changes: [String: AnyJSON?] = [:]
    ) -> Self {
        var body: [String: AnyJSON] = [
            "name": .string(name), "ciphertext": .string(Base64.encode(ciphertext)),
            "ciphertextCrc32c": .string("\(CRC32C.checksum(ciphertext))"), "verifiedPlaintextCrc32c": true,
            "verifiedAdditionalAuthenticatedDataCrc32c": true, "protectionLevel": "SOFTWARE",
        ]
        for (key, value) in changes { body[key] = value }
        return .json(.object(body))
    }

    static func gcpKeyResource(primary: String) -> Self {
        .json([
            "name": .string(gcpKey),
            "primary": [
                "name": .string("\(gcpKey)/cryptoKeyVersions/\(primary)"), "state": "ENABLED",
            ],
        ])
    }
}

extension FakeTransport {
    /// The operations of requests: `encrypt`, `decrypt`, `get`.
    var gcpOperations: [String] {
        requests.map { $0.method == .get ? "get" : $0.path.split(separator: ":").last.map(String.init) ?? "" }
    }
}
