import Concurrency
import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import JSON
import Settings
import TestSupport

@testable import KMS

extension FuzzTarget {
    static let cloudTargets = [
        FuzzTarget("gcp-kms", seeds: gcpSeeds, awaiting: checkGCP),
        FuzzTarget("azure-key-vault", seeds: azureSeeds, awaiting: checkAzure),
        FuzzTarget(
            "www-authenticate", maximumLength: 1024,
            seeds: Seeds.texts(
                #"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#,
                #"Basic realm="a\"b", Bearer error="insufficient_claims", claims="eyJhIjoxfQ==", scope=x/.default"#
            ),
            check: checkChallenge),
        FuzzTarget(
            "oauth-token", maximumLength: 1024,
            seeds: Seeds.texts(
                choices: 1,
                #"{"access_token":"ya29","expires_in":3599,"token_type":"Bearer","refresh_in":"1800"}"#,
                #"{"error":"invalid_grant","error_description":"x","error_codes":[700016],"claims":"{}"}"#,
                #"{"access_token":"a","expires_in":1e308}"#),
            awaiting: checkToken),
        FuzzTarget(
            "google-credentials",
            seeds: Seeds.joined(googleSeeds, Seeds.vectors("jwt/assertions.json", upTo: 65536)),
            check: checkGoogleCredentials),
    ]

    private static let gcpSeeds = Seeds.texts(
        choices: 2,
        #"{"name":"\#(gcpKey)/cryptoKeyVersions/3","ciphertext":"QUJD","ciphertextCrc32c":"1","plaintext":"AAAA","#
            + #""plaintextCrc32c":"2","usedPrimary":true,"verifiedPlaintextCrc32c":true}"#,
        #"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"m","details":[{"@type":"type.googleapis.com/"#
            + #"google.rpc.PreconditionFailure","violations":[{"type":"KEY_DISABLED"}]}]}}"#)

    private static let azureSeeds = Seeds.texts(
        choices: 2,
        #"{"kid":"https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef","value":"CQkJ"}"#,
        #"{"error":{"code":"Forbidden","message":"m","innererror":{"code":"KeyDisabled"}}}"#,
        #"{"key":{"kid":"https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef","kty":"RSA","n":"AQAB","e":"AQAB"}}"#
    )

    private static let googleSeeds = Seeds.texts(
        #"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r","quota_project_id":"p"}"#,
        #"{"type":"external_account","audience":"//iam.googleapis.com/x","subject_token_type":"urn:ietf:params:oauth:"#
            + #"token-type:jwt","token_url":"https://sts.googleapis.com/v1/token","credential_source":{"url":"http://169.254.169.254/t","#
            + #""headers":{"A":"b"},"format":{"type":"json","subject_token_field_name":"t"}},"service_account_impersonation_url":"#
            + #""https://iam.googleapis.com/x","service_account_impersonation":{"token_lifetime_seconds":600}}"#,
        #"{"type":"impersonated_service_account","source_credentials":{"type":"authorized_user"},"delegates":["a"]}"#
    )
}

private let gcpKey = "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-wrap"
private let statuses = [200, 400, 401, 403, 404, 409, 412, 429, 500, 503]

private struct FixedToken: CloudTokenProvider, AzureCredential {
    let name = "fixed"

    private var value: CloudToken {
        CloudToken(value: SharedSecret(copying: "t".utf8), lifetime: .seconds(3600))
    }

    func token() async throws(CloudError) -> Refreshed<CloudToken> { Refreshed(value: value, generation: 1) }
    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? { value }
    func recordDenial(of token: Refreshed<CloudToken>, by response: CloudResponse) -> Bool { false }
    func recordSuccess(of token: Refreshed<CloudToken>) {}
}

/// Every operation ends with a result or a message of one line.
private func requireEnd(
    _ operation: UInt8, of manager: some KeyManager, _ recipient: Recipient
) async throws {
    let binding = try Binding(scope: .strict, namespace: "n", secretName: "s")
    do throws(KeyManagerError) {
        switch operation % 4 {
        case 0: _ = try await manager.generateDataKey(for: binding)
        case 1: _ = try await manager.unwrap(recipient, for: binding)
        case 2: _ = try await manager.rewrap(recipient, for: binding)
        default: _ = try await manager.publicKey()
        }
    } catch {
        try requireMessage(error.description)
    }
}

@Sendable private func checkGCP(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: statuses)
    let operation = choices.byte()
    let body = choices.remaining
    let settings = try GCPSettings.load(from: Environment(["SB_KMS_GCP_KEY": gcpKey]), credentials: nil)
    let manager = GCPKeyManager(
        settings, key: settings.key.key,
        transport: FakeTransport { _ in FakeTransport.Response(status, chunks: [body]) },
        tokens: FixedToken(),
        observer: nil, clock: .withoutWaiting())
    try await requireEnd(
        operation, of: manager, Recipient(keyID: manager.keyID, wrappedKey: "QUJDREVGR0hJSktMTU5P"))
}

@Sendable private func checkAzure(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: statuses)
    let operation = choices.byte()
    let body = choices.remaining
    let settings = try AzureSettings.load(
        from: Environment([
            "SB_KMS_AZURE_VAULT_URL": "https://payments.vault.azure.net", "SB_KMS_AZURE_KEY": "sb-wrap",
        ]), tls: TLSSettings())
    let transport = FakeTransport { request in
        guard request.authorization == nil else { return FakeTransport.Response(status, chunks: [body]) }
        let challenge =
            #"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#
        return FakeTransport.Response(401, "{}", fields: [.wwwAuthenticate: challenge])
    }
    let manager = AzureKeyManager(
        settings, credentials: AzureCredentials([FixedToken()]), transport: transport,
        clock: .withoutWaiting())
    let keyID =
        "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef"
    try await requireEnd(
        operation, of: manager,
        Recipient(keyID: keyID, wrappedKey: Base64.encode([UInt8](repeating: 7, count: 256))))
}

/// A challenge asks for a token of a server above the vault, or is refused.
@Sendable private func checkChallenge(_ input: [UInt8]) throws {
    for challenge in AuthenticationChallenge.parse(input.text) {
        try require(!challenge.scheme.isEmpty, "a challenge without a scheme")
    }
    guard let vault = AzureVault("https://payments.vault.azure.net") else { return }
    let fields: HTTPFields = [.wwwAuthenticate: input.text]
    switch outcome({ () throws(CloudError) in try AzureChallenge(fields, from: vault) }) {
    case .success(let challenge):
        let origins = ["https://vault.azure.net:443", "https://azure.net:443", "https://net:443"]
        let origin = ServerAddress(challenge.resource)?.origin
        try require(origin.map(origins.contains) == true, "a token for \(challenge.resource)")
        if let tenant = challenge.tenant { try require(AzureIdentifier.isTenant(tenant), "tenant \(tenant)") }
    case .failure(let error): try requireMessage(error.message)
    }
    if let claims = AzureChallenge.claims(in: fields) {
        var request = AzureTokenRequest(resource: "r", tenant: nil)
        request.claims = claims
        let written = revealed(JSONWriter.write([request.claimsParameter]))
        try require(ReferenceJSON.value(written) != nil, "claims that are not JSON")
    }
}

/// A token has a lifetime that can be added to any instant.
@Sendable private func checkToken(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: [200, 400, 401, 500])
    let body = choices.remaining
    let client = CloudTokenClient(
        name: "source",
        transport: RetryingTransport(
            transport: FakeTransport { _ in FakeTransport.Response(status, chunks: [body]) }, attempts: 1))
    guard let url = CloudURL("https://token.example/token") else { return }
    do throws(CloudError) {
        let token = try await OAuthTokenEndpoint(client: client, url: url).token(FormBody())
        guard let lifetime = token.lifetime, lifetime >= .zero else {
            throw CloudError(.misconfigured, "no lifetime\n")
        }
        _ = ContinuousClock.now + lifetime
    } catch {
        try requireMessage(error.message)
    }
}

/// A credential file gives a source, or a message of one line that does not quote a secret.
@Sendable private func checkGoogleCredentials(_ input: [UInt8]) throws {
    guard let root = try? JSONValue(parsing: SecretBytes(copying: input)), root.members != nil else { return }
    let file = GoogleCredentialsFile(root, name: "GOOGLE_APPLICATION_CREDENTIALS")
    _ = (file.universe, file.quotaProject)
    let transport = FakeTransport { _ in FakeTransport.Response(404, chunks: []) }
    let context = GoogleCredentialsContext(
        Environment([:]), services: transport, local: transport, universe: .standard, clock: .withoutWaiting()
    )
    let source = outcome { () throws(CloudError) in try file.source(context, scope: GoogleCredentials.scope) }
    switch source {
    case .success(let source): try requireMessage(source.name)
    case .failure(let error): try requireMessage(error.message)
    }
}
