import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

let azureVault = "https://payments.vault.azure.net"
let azureHSM = "https://payments.managedhsm.azure.net"
let azureVersion = "0123456789abcdef0123456789abcdef"
let azureKeyID = "azure-key-vault:\(azureVault)/keys/sb-wrap/\(azureVersion)"
let azureTenant = "11111111-2222-3333-4444-555555555555"
let azureRecipient = Recipient(
    keyID: azureKeyID, wrappedKey: Base64.encode([UInt8](repeating: 7, count: 256)))

/// A clock that advances only by sleeping.
final class AzureTestClock: Sendable {
    private let state = Locked<[Duration]>([])
    private let start = ContinuousClock.now

    var sleeps: [Duration] { state.withLock { $0 } }

    var clock: ClientClock {
        ClientClock(
            date: { [self] in
                Date(timeIntervalSince1970: 1_800_000_000)
                    + Double(sleeps.reduce(.zero, +).components.seconds)
            },
            now: { [self] in start + sleeps.reduce(.zero, +) },
            sleep: { [self] duration in
                try Task.checkCancellation()
                state.withLock { $0.append(duration) }
            })
    }
}

/// A credential that returns the tokens TOKEN1, TOKEN2, … and records what it was asked for.
final class CountingAzureCredential: AzureCredential {
    let name = "counting"
    let requests = Recorder<AzureTokenRequest>()

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        requests.append(request)
        return CloudToken(
            value: SharedSecret(copying: "TOKEN\(requests.elements.count)".utf8), lifetime: .seconds(3600))
    }
}

/// Makes a key manager that uses the transport of a test.
func azureKeyManager(
    _ transport: any HTTPTransport, vault: String = azureVault, _ more: [String: String] = [:],
    credential: any AzureCredential = CountingAzureCredential(), clock: AzureTestClock = AzureTestClock()
) throws -> AzureKeyManager {
    let values = ["SB_KMS_AZURE_VAULT_URL": vault, "SB_KMS_AZURE_KEY": "sb-wrap"].merging(more) { $1 }
    return AzureKeyManager(
        try AzureSettings.load(from: Environment(values), tls: TLSSettings()),
        credentials: AzureCredentials([credential]),
        transport: transport, clock: clock.clock)
}

/// Answers requests without a token with a challenge, and others with `answer`.
func fakeAzure(
    resource: String = "https://vault.azure.net",
    _ answer: @escaping @Sendable (FakeTransport.Request) async throws -> FakeTransport.Response
) -> FakeTransport {
    FakeTransport { request in
        guard request.authorization != nil else { return .azureChallenge(resource: resource) }
        return try await answer(request)
    }
}

extension FakeTransport.Response {
    static func azureChallenge(
        resource: String = "https://vault.azure.net", tenant: String = azureTenant
    ) -> FakeTransport.Response {
        .azureError(
            401, "Unauthorized",
            fields: [
                .wwwAuthenticate:
                    #"Bearer authorization="https://login.microsoftonline.com/\#(tenant)", resource="\#(resource)""#
            ])
    }

    static func azureClaimsChallenge(_ claims: String) -> FakeTransport.Response {
        .azureError(
            401, "Unauthorized",
            fields: [
                .wwwAuthenticate:
                    #"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/"#
                    + #"oauth2/authorize", error="insufficient_claims", claims="\#(Data(claims.utf8).base64EncodedString())""#
            ])
    }

    /// An error response of Key Vault. Its message must not be repeated.
    static func azureError(
        _ status: Int, _ code: String, inner: String? = nil, fields: HTTPFields = [:]
    ) -> FakeTransport.Response {
        let inner = inner.map { #","innererror":{"code":"\#($0)"}"# } ?? ""
        return .init(
            status, #"{"error":{"code":"\#(code)","message":"canary-of-azure"\#(inner)}}"#, fields: fields)
    }

    static func azureResult(
        _ value: [UInt8] = Array(repeating: 9, count: 32), version: String = azureVersion,
        key: String = "\(azureVault)/keys/sb-wrap"
    ) -> FakeTransport.Response {
        .init(200, #"{"kid":"\#(key)/\#(version)","value":"\#(Base64URL.encode(value))"}"#)
    }
}

extension FakeTransport {
    /// The requests with a token.
    var authorized: [Request] { requests.filter { $0.authorization != nil } }
}
