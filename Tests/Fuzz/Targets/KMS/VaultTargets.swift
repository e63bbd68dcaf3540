import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import TestSupport

@testable import KMS

extension FuzzTarget {
    static let vaultTargets = [
        FuzzTarget("vault", seeds: vaultSeeds, awaiting: checkVault),
        FuzzTarget(
            "vault-login",
            seeds: Seeds.texts(
                choices: 1,
                #"{"auth":{"client_token":"s.t","lease_duration":3600,"renewable":true,"token_type":"service"}}"#,
                #"{"errors":["permission denied","claim \"aud\" does not match"]}"#),
            awaiting: checkVaultLogin),
        FuzzTarget(
            "vault-redirect", maximumLength: 512,
            seeds: Seeds.texts(
                "https://other:8200/v1/transit/decrypt/k", "/v1/x", "//h/v1/transit/decrypt/k?a#b",
                "http://u:p@h/"),
            check: checkRedirect),
        FuzzTarget(
            "server-address", maximumLength: 512,
            seeds: Seeds.texts(
                "https://vault:8200/prefix/", "HTTP://[::1]:80", "https://payments.vault.azure.net:443",
                "https://h:443:443",
                "https://169.254.169.254/metadata?x"),
            check: checkServerAddress),
        FuzzTarget(
            "key-name", maximumLength: 512,
            seeds: Seeds.texts(
                "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-wrap/cryptoKeyVersions/3",
                "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "arn:aws:kms:eu-west-1:111122223333:alias/a/b_c", "mrk-1234abcd12ab34cd56ef1234567890ab",
                "vault:v12:QUJD",
                "azure-key-vault:https://payments.vault.azure.net/keys/sb-wrap/0123456789abcdef0123456789abcdef",
                "local:5fd519e0", "vault-transit:eu:team/transit/k"),
            check: checkKeyName),
    ]

    private static let vaultSeeds = Seeds.texts(
        choices: 2,
        #"{"data":{"plaintext":"AAAA","ciphertext":"vault:v2:QUJD","batch_results":[{"plaintext":"AAAA"},{"error":"x"}]}}"#,
        #"{"errors":["cipher: message authentication failed"]}"#, #"{"request_id":"r","errors":[]}"#,
        "Client sent an HTTP request to an HTTPS server.\n",
        #"{"data":{"keys":{"1":{"public_key":"-----BEGIN PUBLIC KEY-----\n"}},"type":"rsa-3072","latest_version":1}}"#
    )
}

private let statuses = [200, 204, 400, 403, 404, 412, 413, 429, 472, 500, 501, 503]

/// Every operation ends with a result for each request, or with a message of one line.
@Sendable private func checkVault(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: statuses)
    let operation = choices.byte() % 5
    let body = choices.remaining
    let retryAfter = body.prefix(20).filter { 0x20..<0x7F ~= $0 }
    guard let address = ServerAddress("https://vault:8200") else { return }
    let transport = FakeTransport { _ in
        FakeTransport.Response(status, fields: [.retryAfter: Array(retryAfter).text], chunks: [body])
    }
    let manager = TransitKeyManager(
        VaultSettings(
            address: address, mount: "transit", key: "k", name: nil, namespace: nil,
            authentication: .token(SharedSecret(copying: [65]))), transport: transport)
    let binding = try Binding(scope: .strict, namespace: "n", secretName: "s")
    let recipients = (1...3).map { Recipient(keyID: manager.keyID, wrappedKey: "vault:v\($0):QUJD") }
    do throws(KeyManagerError) {
        switch operation {
        case 0: _ = try await manager.generateDataKey(for: binding)
        case 1: _ = try await manager.unwrap(recipients[0], for: binding)
        case 2: _ = try await manager.exportPublicKey()
        case 3:
            let results = await manager.rewrap(recipients.map { BoundRecipient($0, for: binding) })
            guard results.count == recipients.count else { throw wrongCount(results.count) }
        default:
            let results = try await manager.unwrap(
                recipients.map { UnwrapRequest($0, binding) }, timeout: nil)
            guard results.count == recipients.count else { throw wrongCount(results.count) }
        }
    } catch {
        try require(error.message != wrongCountMessage, "another number of results")
        try requireMessage(error.description)
    }
    try require(transport.requests.count <= 2 * recipients.count + 2, "\(transport.requests.count) requests")
}

private let wrongCountMessage = "another number of results than requests"

private func wrongCount(_ count: Int) -> KeyManagerError {
    KeyManagerError(.misconfigured, keyID: "", message: wrongCountMessage)
}

@Sendable private func checkVaultLogin(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: statuses)
    let body = choices.remaining
    guard let address = ServerAddress("https://vault:8200/prefix") else { return }
    let endpoint = VaultEndpoint(address: address, namespace: "team")
    let response = VaultResponse(
        HTTPResponseHead(status: .init(code: status), fields: [.server: "nginx"]),
        body: SecretBytes(copying: body))
    let request = VaultRequest(path: "auth/kubernetes/login")
    switch outcome({ () throws(VaultError) in try VaultLease(response, to: request, at: endpoint) }) {
    case .success(let lease):
        if let duration = lease.duration {
            try require(duration > .zero, "a lease of \(duration)")
            _ = ContinuousClock.now + duration
        }
    case .failure(let error): try requireMessage(error.message)
    }
    try requireMessage(response.error(for: "auth/kubernetes/login", at: endpoint).message)
    let transport = FakeTransport { _ in FakeTransport.Response(status, chunks: [body]) }
    let login = VaultLogin(
        method: .appRole(roleID: "r", secretID: nil), mount: "approle",
        client: VaultClient(endpoint, transport: transport))
    do throws(VaultError) {
        _ = try await login.send()
    } catch {
        try requireMessage(error.message)
    }
    // The claims of a token are shown in messages about its login.
    if let claims = JWTClaims(SharedSecret(copying: body)) {
        let rejection = VaultLoginRejection(response.errorText)
        let remedy = rejection.remedy(for: .appRole(roleID: "r", secretID: nil), mount: "jwt", claims)
        try requireMessage(remedy)
    }
}

/// A redirect is shown on one line and without credentials.
@Sendable private func checkRedirect(_ input: [UInt8]) throws {
    guard let origin = ServerAddress("https://vault:8200/prefix") else { return }
    guard let redirect = VaultRedirect(input.text, from: origin, path: "transit/decrypt/k") else { return }
    try requireMessage(redirect.displayURL)
    if let address = redirect.vaultAddress {
        try require(ServerAddress(address) != nil, "address \(address)")
    }
}

/// An accepted address has one form and only characters of URLs.
@Sendable private func checkServerAddress(_ input: [UInt8]) throws {
    let text = input.text
    if let address = ServerAddress(text) {
        try require(ServerAddress(address.url) == address, "\(address.url) is another address")
        try require(address.url.utf8.allSatisfy { 0x21...0x7E ~= $0 }, "accepted \(text.debugDescription)")
        try require(address.hasSameOrigin(as: address.url + "/x"), "another origin than its own")
    }
    if let vault = AzureVault(text) {
        try require(AzureVault(vault.address.url) == vault, "\(vault.address.url) is another vault")
        try requireMessage(vault.cloud.authority)
    }
    if let url = CloudURL(text, plainHTTP: .loopbackOrLinkLocal) {
        try require(CloudURL(url.text, plainHTTP: .loopbackOrLinkLocal) == url, "\(url.text) is another URL")
    }
    if let host = ServerAddress.normalizedHost(text) {
        try require(ServerAddress.normalizedHost(host) == host, "\(host) is another host")
    }
}

/// A name of a key is ASCII, is read as itself, and has the version that recipients show.
@Sendable private func checkKeyName(_ input: [UInt8]) throws {
    let text = input.text
    func requireName(_ name: String, _ again: Bool) throws(PropertyViolation) {
        try require(name.utf8.allSatisfy { 0x21...0x7E ~= $0 }, "accepted \(name.debugDescription)")
        try require(again, "\(name) is another name")
    }
    if let key = GCPKeySetting(text) {
        try requireName(key.key.text, GCPKeyName(key.key.text) == key.key)
        if case .asymmetric(let version) = key {
            try requireName(version.text, GCPKeyVersionName(version.text) == version)
            try require(
                version.version(inKeyID: version.keyID) == version, "another version in \(version.keyID)")
        }
    }
    if let reference = AWSKeyReference(text) {
        try requireName(reference.text, AWSKeyReference(reference.text) == reference)
    }
    if let name = GoogleUniverse(text) { try requireName(name.domain, GoogleUniverse(name.domain) == name) }
    let recipient = Recipient(keyID: text, wrappedKey: text)
    _ = recipient.keyAndVersion
    if let ciphertext = TransitCiphertext(text) {
        let version = Recipient(keyID: "vault-transit:transit/k", wrappedKey: text).keyVersion
        try require(version == ciphertext.version, "version \(version ?? "nil") of \(text)")
    }
    if let vault = AzureVault("https://payments.vault.azure.net") {
        let key = AzureKey(vault: vault, name: "sb-wrap")
        if let version = key.version(inKeyID: text) {
            try require(key.keyID(version: version) == text, "another key id of \(version)")
        }
        _ = key.version(inKid: text)
    }
    _ = EnvelopeValidation.isDNSSubdomain(text)
    if (try? EnvelopeValidation.check(recipients: [recipient])) != nil {
        try requireMessage(recipient.fullDescription)
    }
}
