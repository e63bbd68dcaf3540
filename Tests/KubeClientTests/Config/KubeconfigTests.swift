import Primitives
import TestSupport
import Testing

@testable import KubeClient

@Suite struct KubeconfigTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func configuration(
        cluster: String = "", user: String = "", context: String? = nil
    ) throws -> ClusterConfiguration {
        try load(folder.write("config", kubeconfig(cluster: cluster, user: user)), context: context)
    }

    private func header(user: String) async throws -> String? {
        text(try await configuration(user: user).credentials.credential().authorization)
    }

    @Test func clusterFields() throws {
        let plain = try configuration()
        #expect(plain.server == "https://h:1" && plain.defaultNamespace == "default")
        guard case .system = plain.trust else { throw CancellationError() }
        let other = try configuration(
            cluster: "insecure-skip-tls-verify: true, tls-server-name: name, proxy-url: 'socks5://p:1'")
        guard case .insecure = other.trust else { throw CancellationError() }
        #expect(other.tlsServerName == "name" && other.proxyURL == "socks5://p:1")
        let inline = try configuration(cluster: "certificate-authority-data: \(base64(fakeCertificate))")
        guard case .pem(let pem) = inline.trust else { throw CancellationError() }
        #expect(pem == Array(fakeCertificate.utf8))
    }

    @Test func dataGoesBeforeFile() throws {
        let certificate = base64(fakeCertificate)
        let configuration = try configuration(
            user: "client-certificate: /no, client-certificate-data: \(certificate), client-key: /no, "
                + "client-key-data: \(base64("key"))")
        #expect(text(configuration.clientCertificate?.key) == "key")
        #expect(configuration.clientCertificate?.certificate == Array(fakeCertificate.utf8))
    }

    @Test func logins() async throws {
        try folder.write("token", "t2\n")
        #expect(try await header(user: "") == nil)
        #expect(try await header(user: "token: t1") == "Bearer t1")
        #expect(try await header(user: "token: t1, tokenFile: token") == "Bearer t2")
        #expect(try await header(user: "token: t1, tokenFile: none") == "Bearer t1")
        #expect(try await header(user: "username: u, password: p") == "Basic dTpw")
        #expect(try await header(user: "token: t1, exec: {}") == "Bearer t1")
    }

    @Test func impersonation() throws {
        let configuration = try configuration(
            user: "as: bob, as-uid: '7', as-groups: [g1, g2], as-user-extra: {scopes: [a, b]}")
        #expect(
            configuration.impersonation
                == .init(
                    user: "bob", uid: "7", groups: ["g1", "g2"],
                    extra: [.init(key: "scopes", values: ["a", "b"])]))
    }

    @Test(arguments: [
        ("token: 123", ":6:33: users[\"u\"].user.token is a number, expected a string; put it in quotes"),
        ("token: s3cret, username: u", "token and username exclude each other; remove one"),
        ("token: \"s3\\ncret\"", "token has characters that no header may hold; copy it anew"),
        (
            "auth-provider: {name: gcp}",
            "auth-provider is not supported (kubectl dropped it in 1.26); use exec instead"
        ),
        ("client-key-data: s3cret", "client-key-data is not base64 on one line, padded with ="),
        (
            "client-key: /no/file",
            "/no/file: cannot be read (No such file or directory); needed for users[\"u\"].user.client-key of"
        ),
        ("client-key-data: czNjcmV0", "client-certificate is missing beside client-key; add it"),
        ("as-groups: [g]", "as is missing beside as-uid, as-groups or as-user-extra; add it"),
        ("as: b, as-groups: [1]", "as-groups holds a number, expected strings; put them in quotes"),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1alpha1}",
            "exec.apiVersion is not supported; expected client"
        ),
        ("exec: {apiVersion: client.authentication.k8s.io/v1}", "exec.command is missing; add it"),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}",
            "exec.interactiveMode is missing or unknown; expected Never, IfAvailable or Always"
        ),
        (
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}",
            "interactiveMode is Always, but standard input is no terminal"
        ),
    ])
    func badUsers(user: String, message: String) async throws {
        let file = try folder.write("config", kubeconfig(user: user))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message) && line.contains(file), "\(line)")
        #expect(!line.contains("s3") && !line.contains("\n"))
    }

    @Test(arguments: [
        ("server: ftp://x", "twice"), ("insecure-skip-tls-verify: 1", "is a number, expected true or false"),
        ("proxy-url: x", "expected http://, https:// or socks5://HOST:PORT"),
        ("certificate-authority-data: AAAA", "holds no PEM certificate"),
        (
            "insecure-skip-tls-verify: true, certificate-authority-data: LS0tLS1CRUdJTiBD",
            "exclude each other"
        ),
    ])
    func badClusters(cluster: String, message: String) async throws {
        let file = try folder.write("config", kubeconfig(cluster: cluster))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message) && line.contains(file), "\(line)")
    }

    @Test(arguments: [
        ("a: [", "not valid YAML"), ("- a", "is no kubeconfig"), ("kind: Secret", "kind is not Config"),
        ("clusters: {}", "clusters is a mapping, expected a list"),
        ("clusters: [{name: a}, {name: a}]", "clusters[1].name is there twice in this file; remove one"),
        (
            "contexts: [{name: a, context: {cluster: x}}]",
            "current-context is not set; set it, or choose a context: a"
        ),
        ("current-context: b\ncontexts: [{name: a}]", "there is no context \"b\"; there is: a"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: x}}]",
            "names \"x\", which is not among the clusters"
        ),
        ("", "current-context is not set"),
    ])
    func badFiles(content: String, message: String) async throws {
        let file = try folder.write("config", content)
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message) && line.contains(file), "\(line)")
    }
}
