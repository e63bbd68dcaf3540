import Cryptography
import Foundation
import JSON
import System
import TestSupport

@testable import HTTP
@testable import KubeClient

extension FuzzTarget {
    static let configurationTargets = [
        FuzzTarget("kubeconfig", seeds: kubeconfigSeeds, awaiting: checkKubeconfig),
        FuzzTarget(
            "exec-credential", maximumLength: 2048,
            seeds: Seeds.texts(
                #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t","#
                    + #""expirationTimestamp":"2999-01-01T02:00:00.5+02:00"}}"#),
            awaiting: checkExecCredential),
        FuzzTarget(
            "oidc", maximumLength: 2048,
            seeds: Seeds.texts(
                choices: 1, idToken(#"{"exp":1795924800}"#), idToken(#"{"exp":1e308}"#),
                #"{"token_endpoint":"https://i/token","id_token":"\#(idToken("{}"))","refresh_token":"r","error":"invalid_grant"}"#
            ),
            awaiting: checkOIDC),
        FuzzTarget(
            "path-redaction", maximumLength: 512,
            seeds: Seeds.texts("/etc/a.pem", "eyJhbGci.x", "~/.kube/config"),
            check: checkPathRedaction),
    ]

    private static let kubeconfigSeeds = Seeds.joined(
        Seeds.vectors("kubeconfig"),
        Seeds.texts(
            """
            apiVersion: v1
            kind: Config
            current-context: c
            contexts: [{name: c, context: {cluster: l, user: u, namespace: n}}]
            clusters: [{name: l, cluster: {server: "https://h:1/p", tls-server-name: n, proxy-url: "http://p:1", extensions: []}}]
            users: [{name: u, user: {token: t, as: a, as-groups: [g], as-user-extra: {k: [v]}}}]
            """,
            """
            {kind: Config, current-context: c, contexts: [{name: c, context: {cluster: l, user: u}}],
            clusters: [{name: l, cluster: {server: "h", insecure-skip-tls-verify: true}}],
            users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: p, args: [a], env: [{name: A, value: b}],
            interactiveMode: Never, provideClusterInfo: true}}}]}
            """))

    fileprivate static func idToken(_ claims: String) -> String {
        "e30.\(Base64URL.encode(claims.utf8)).c2ln"
    }
}

/// A kubeconfig that loads has a server that can be requested; others have a message of one line.
@Sendable private func checkKubeconfig(_ input: [UInt8]) async throws {
    // Each provider would start a client with a thread; it has a target of its own.
    guard !input.text.contains("oidc") else { return }
    let file = FileManager.default.temporaryDirectory.appending(path: "sb-fuzz-\(UUID())").path
    try Data(input).write(to: URL(filePath: file))
    defer { unlink(file) }
    let loaded = outcome { () throws(ConfigurationError) in
        try ClusterConfiguration.load(
            explicitPath: file, environment: ["PATH": "/nonexistent", "HOME": "/nonexistent"],
            isTerminal: false)
    }
    for name in ClusterConfiguration.contextNames(explicitPath: file, environment: [:]) {
        try require(!name.isEmpty, "a context without a name")
    }
    switch loaded {
    case .failure(let error): try requireMessage("\(error)")
    case .success(let configuration):
        let target = outcome { () throws(HTTPError) in
            try RequestTarget(configuration.server + "/api", serverName: configuration.tlsServerName)
        }
        switch target {
        case .success(let target): try requireMessage(target.url)
        case .failure(let error): try requireMessage(error.description)
        }
        for warning in configuration.warnings { try requireMessage(warning) }
        guard let fixed = configuration.credentials as? StaticCredential else { return }
        let header = try await fixed.credential().authorization
        let isHeader = header.map { revealed($0.bytes).allSatisfy { 0x20 <= $0 && $0 < 0x7F } } ?? true
        try require(isHeader, "a header of two lines")
    }
}

private let plugin = ExecPlugin(
    version: .v1, command: "plugin", arguments: [], environment: [:], installHint: nil, isInteractive: false,
    cluster: nil,
    fieldPath: "f: users[0].user.exec")

/// A credential that a plugin printed is a header and has a lifetime, or there is a message of one line.
@Sendable private func checkExecCredential(_ input: [UInt8]) async throws {
    let result = outcome { () throws(ConfigurationError) in
        try ExecCredentialMessage.credential(in: SecretBytes(copying: input), from: plugin)
    }
    switch result {
    case .success(let issued): try await requireServed(issued)
    case .failure(let error): try requireMessage("\(error)")
    }
}

/// A credential is served, or fetched again, whatever its expiration is.
private func requireServed(_ issued: RenewableCredential.Issued) async throws {
    if let header = issued.authorization {
        try require(revealed(header.bytes).allSatisfy { 0x20 <= $0 && $0 < 0x7F }, "a header of two lines")
    }
    let source = RenewableCredential(from: "a plugin", issued: issued) { () throws(ConfigurationError) in
        throw ConfigurationError(.plugin, "fetched again")
    }
    do throws(ConfigurationError) {
        _ = try await source.credential()
    } catch {
        try requireMessage("\(error)")
    }
}

/// The responses of an identity provider give a credential, or a message of one line.
@Sendable private func checkOIDC(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: [200, 200, 400, 401, 500])
    let body = choices.remaining
    let node = try YAMLNodes.mapping(
        "name: oidc\nconfig: {idp-issuer-url: \"https://issuer\", client-id: c, client-secret: s, refresh-token: r}\n"
    )
    let provider = try OIDCProvider(
        KubeconfigFields(node: node, file: "f", path: "users[0].user.auth-provider"), environment: [:])
    let refresher = OIDCTokenRefresher(
        provider, transport: FakeTransport { _ in FakeTransport.Response(status, chunks: [body]) })
    do throws(ConfigurationError) {
        _ = try await refresher.refresh()
    } catch {
        try requireMessage("\(error)")
    }
    let token = SharedSecret(copying: body)
    if let issued = try? provider.issued(token, "id-token") { try await requireServed(issued) }
}

/// A path that is shown has one line and does not look like a key.
@Sendable private func checkPathRedaction(_ input: [UInt8]) throws {
    guard let path = PathRedaction.printablePath(input.text) else { return }
    try requireMessage(path, maximumLength: 255)
    try require(!path.contains("-----BEGIN"), "a key: \(path)")
}
