import HTTP
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite struct KubeconfigTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Returns the error of an invalid kubeconfig, which is thrown at the latest with its first credential.
    private func problem(cluster: String = "", user: String = "") async throws -> String {
        let file = try write(cluster: cluster, user: user)
        return await refusal { () throws(ConfigurationError) in
            _ = try await load(file).credentials.credential()
        } ?? ""
    }

    private func write(cluster: String, user: String) throws -> String {
        var text = kubeconfig(cluster: cluster, user: user)
        if cluster.hasPrefix("server:") { text.replace("server: \"https://h:1\", ", with: "") }
        return try folder.write("config", text)
    }

    private func configuration(
        cluster: String = "", user: String = "", context: String? = nil
    ) throws -> ClusterConfiguration {
        try load(write(cluster: cluster, user: user), context: context)
    }

    private func header(user: String) async throws -> String? {
        text(try await configuration(user: user).credentials.credential().authorization)
    }

    @Test func readsTheFieldsOfACluster() throws {
        let plain = try configuration()
        #expect(plain.server == "https://h:1")
        #expect(plain.defaultNamespace == "default")
        guard case .system = plain.trust else { throw CancellationError() }
        let other = try configuration(
            cluster: "insecure-skip-tls-verify: true, tls-server-name: name, proxy-url: 'socks5://p:1'")
        guard case .insecure = other.trust else { throw CancellationError() }
        #expect(other.tlsServerName == "name")
        #expect(other.proxyURL == "socks5://p:1")
        #expect(try configuration(cluster: "proxy-url: 'socks5h://p:1'").proxyURL == "socks5h://p:1")
        #expect(try configuration(cluster: "proxy-url: 'HTTP://p:1'").proxyURL == "HTTP://p:1")
        #expect(plain.acceptsCompression)
        #expect(try !configuration(cluster: "disable-compression: true").acceptsCompression)
        let inline = try configuration(cluster: "certificate-authority-data: \(base64(fakeCertificate))")
        guard case .pem(let pem) = inline.trust else { throw CancellationError() }
        #expect(pem == Array(fakeCertificate.utf8))
    }

    /// A controller refuses what others can read.
    @Test(arguments: [
        ("server: 'https://h:1'", nil), ("server: 'https://[fd00::1]:6443'", nil),
        ("server: 'http://h:1'", "plain http"), ("server: 'HTTP://10.0.0.1/prefix'", "plain http"),
        ("server: 'http://[fd00::1]:6443'", "plain http"),
        ("server: 'http://localhost.example'", "plain http"),
        ("insecure-skip-tls-verify: true", "not verified"),
        ("server: 'https://[fd00::1]', insecure-skip-tls-verify: true", "not verified"),
        ("server: 'http://127.0.0.1:8001'", nil), ("server: 'http://[::1]:8001/x'", nil),
        ("server: 'http://Localhost'", nil),
        ("server: 'https://127.0.0.1:6443', insecure-skip-tls-verify: true", nil),
    ])
    func knowsWhetherOthersCanReadTheConnection(cluster: String, risk: String?) throws {
        let found = try configuration(cluster: cluster).networkRisk
        #expect(
            found == nil ? risk == nil : risk.map { found?.contains($0) == true } == true, "\(found ?? "")")
    }

    /// kubectl 1.32 drops the query, too.
    @Test(arguments: ["https://h/base?x=1", "https://h/base/#f", "https://h/base/?x=1#/f", "h/base?x"])
    func dropsTheServersQueryAndFragment(server: String) throws {
        #expect(try configuration(cluster: "server: '\(server)'").server == "https://h/base")
    }

    /// Errors quote neither the password of a proxy nor that of a server.
    @Test(arguments: [
        ("proxy-url", "http://u:hunter2@h:99999", "has no valid port (1 to 65535)"),
        ("proxy-url", "http://u:hunt er2@h:1", "percent-encode"),
        ("proxy-url", "http://u:hunter2#@h:1", "percent-encode"),
        ("proxy-url", "ftp://u:hunter2@h:1", "expected http://"),
        ("proxy-url", "socks4://u:hunter2@h:1", "expected http://"),
        ("server", "https://u:hunter2@h", "holds a user name or password"),
        ("server", "https://u:1#hunter2@h", "holds a user name or password"),
        ("server", "https://u:hunter2/@h", "has no valid port"),
        ("server", "https://h:99999", "has no valid port"), ("server", "https://[h]:1", "has no valid host"),
        ("tls-server-name", "https://h", "is not the name of a server"),
        ("tls-server-name", "h:1", "is not the name of a server"),
        ("tls-server-name", "a b", "is not the name of a server"),
    ])
    func rejectsInvalidAddressesWithoutQuotingThem(field: String, value: String, expected: String)
        async throws
    {
        let line = try await problem(cluster: "\(field): '\(value)'")
        #expect(line.contains(".cluster.\(field) "), "\(line)")
        #expect(line.contains(expected), "\(line)")
        #expect(!line.contains("unter2"))
        #expect(!line.contains("er2@"))
    }

    /// A value in place of a path may be the secret itself, so errors do not quote it.
    @Test(arguments: [
        ("client-key", "hunter2"), ("client-key", "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCg=="),
        ("client-key", "/s0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0/LS0tLS1CRUdJ"), ("client-key", realKey),
        ("tokenFile", "hunter2"), ("tokenFile", "eyJhbGciOiJSUzI1NiJ9.e30.hunter2"),
        ("client-certificate", realCertificate),
    ])
    func doesNotQuoteContentInPlaceOfAPath(field: String, content: String) async throws {
        let quoted = content.replacing("\n", with: "\\n")
        let text = try await problem(user: "\(field): \"\(quoted)\"")
        #expect(
            text.hasPrefix("users[\"u\"].user.\(field) of \(folder.path)/config: is not the path of"),
            "\(text)")
        #expect(text.hasSuffix("use \(field == "tokenFile" ? "token" : "\(field)-data")"), "\(text)")
        #expect(!text.contains(content.prefix(8)))
        #expect(!text.contains("BEGIN"))
    }

    @Test func explainsPEMInPlaceOfBase64() async throws {
        let quoted = realCertificate.replacing("\n", with: "\\n")
        let line = try await problem(user: "client-certificate-data: \"\(quoted)\", client-key-data: AAAA")
        #expect(line.contains("client-certificate-data is PEM, but its base64 is expected"), "\(line)")
    }

    /// kubectl 1.32 fails with "invalid header field value".
    @Test(arguments: [
        ("as", "as: \"a\\r\\nX-Evil: y\""), ("as", "as: \"a\\0\""), ("as-uid", "as: a, as-uid: \"1\\n\""),
        ("as-groups", "as: a, as-groups: [g, \"g\\x7F\"]"),
        ("as-user-extra", "as: a, as-user-extra: {k: [\"v\\nw\"]}"),
    ])
    func rejectsControlCharactersInImpersonation(field: String, user: String) async throws {
        let line = try await problem(user: user)
        #expect(line.contains(".user.\(field) holds a control character"), "\(line)")
    }

    @Test func prefersDataToAFile() throws {
        let certificate = base64(realCertificate)
        let configuration = try configuration(
            user: "client-certificate: /no, client-certificate-data: \(certificate), client-key: /no, "
                + "client-key-data: \(base64(realKey))")
        #expect(text(configuration.clientCertificate?.key) == realKey)
        #expect(configuration.clientCertificate?.chain == Array(realCertificate.utf8))
    }

    @Test func selectsCredentialsInClientGosOrder() async throws {
        try folder.write("token", "t2\n")
        #expect(try await header(user: "") == nil)
        #expect(try await header(user: "token: t1") == "Bearer t1")
        #expect(try await header(user: "token: t1, tokenFile: token") == "Bearer t2")
        #expect(try await header(user: "token: t1, tokenFile: none") == "Bearer t1")
        #expect(try await header(user: "username: u, password: p") == "Basic dTpw")
        #expect(try await header(user: "token: t1, exec: {}") == "Bearer t1")
    }

    @Test func readsImpersonation() throws {
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
        ("token: \"s3\\ncret\"", "token contains characters that a header must not contain; copy it again"),
        (
            "auth-provider: {name: gcp}",
            "auth-provider.name is gcp, which kubectl 1.26 removed; use the exec plugin gke-gcloud-auth-plugin"
        ),
        (
            "auth-provider: {name: azure, config: {}}",
            "auth-provider.name is azure, which kubectl 1.26 removed; use the exec plugin kubelogin"
        ),
        (
            "auth-provider: {name: openstack}",
            "auth-provider.name is openstack, which is not supported; use oidc or an exec plugin"
        ),
        ("client-key-data: s3cret", "client-key-data is not base64, padded with ="),
        ("client-key-data: czNj cmV0", "it contains spaces, as a folded block (>) leaves them"),
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
            "interactiveMode is Always, but standard input is not a terminal"
        ),
    ])
    func rejectsInvalidUsers(user: String, message: String) async throws {
        let file = try folder.write("config", kubeconfig(user: user))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message), "\(line)")
        #expect(line.contains(file), "\(line)")
        #expect(!line.contains("s3"))
        #expect(!line.contains("\n"))
    }

    /// Without these checks, an encrypted key crashes libcurl, and a key of another certificate fails the first request.
    @Test(arguments: [
        ("client.crt", "client.encrypted.key", "client-key-data holds an encrypted private key, "),
        ("client.crt", "client.sec1.encrypted.key", "client-key-data holds an encrypted private key, "),
        ("rsa.crt", "rsa.encrypted.key", "client-key-data holds an encrypted private key, "),
        (
            "client.crt", "other.key",
            "client-key-data holds a private key that does not belong to the client certificate"
        ),
        ("client.crt", "client.crt", "client-key-data holds no PEM private key"),
        ("client.key", "client.key", "client-certificate-data holds no PEM certificate"),
    ])
    func rejectsInvalidClientCertificates(certificate: String, key: String, message: String) async throws {
        let (certificate, key) = (tlsVector(certificate), tlsVector(key))
        let inline = try folder.write(
            "config",
            kubeconfig(
                user: "client-certificate-data: \(base64(certificate)), client-key-data: \(base64(key))"))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(inline) })
        #expect(line.contains("users[\"u\"].user.\(message)"), "\(line)")
        #expect(!line.contains("\n"))
        try folder.write("c.pem", certificate)
        try folder.write("k.pem", key)
        let files = try folder.write(
            "config", kubeconfig(user: "client-certificate: c.pem, client-key: k.pem"))
        let other = try #require(await refusal { () throws(ConfigurationError) in _ = try load(files) })
        #expect(other.contains(message.replacing("-data", with: "")), "\(other)")
    }

    @Test func acceptsLineBreaksInData() throws {
        func wrapped(_ text: String) -> String {
            let encoded = base64(text)
            var lines: [Substring] = []
            var rest = encoded[...]
            while !rest.isEmpty {
                lines.append(rest.prefix(64))
                rest = rest.dropFirst(64)
            }
            return lines.map { "      \($0)\n" }.joined()
        }
        let file = try folder.write(
            "config",
            """
            current-context: c
            contexts: [{name: c, context: {cluster: l, user: u}}]
            clusters:
            - name: l
              cluster:
                server: https://h:1
                certificate-authority-data: |
            \(wrapped(fakeCertificate))
            users:
            - name: u
              user:
                client-certificate-data: |-
            \(wrapped(realCertificate))
                client-key-data: |
            \(wrapped(realKey))
            """)
        let configuration = try load(file)
        #expect(text(configuration.clientCertificate?.key) == realKey)
        guard case .pem(let pem) = configuration.trust else { throw CancellationError() }
        #expect(pem == Array(fakeCertificate.utf8))
    }

    @Test func skipsOnlyTheDamagedCertificateOfABundle() async throws {
        let bundle = fakeCertificate + damagedCertificate + tlsVector("other.crt")
        let inline = try configuration(cluster: "certificate-authority-data: \(base64(bundle))")
        guard case .pem(let pem) = inline.trust else { throw CancellationError() }
        #expect(pem == Array((fakeCertificate + tlsVector("other.crt")).utf8))
        let line = fakeCertificate.split(separator: "\n").count + 1
        #expect(inline.warnings.count == 1)
        #expect(
            inline.warnings.first?.hasSuffix(
                "clusters[\"l\"].cluster.certificate-authority-data: certificate 2 of 3 (line \(line)) is damaged "
                    + "(it is not an X.509 certificate) and is left out; replace it") == true)
        try folder.write("ca.pem", "\u{FEFF}" + bundle)
        let file = try configuration(cluster: "certificate-authority: ca.pem")
        #expect(file.warnings.count == 1)
        for none in [damagedCertificate, tlsVector("client.encrypted.key")] {
            let file = try folder.write(
                "config", kubeconfig(cluster: "certificate-authority-data: \(base64(none))"))
            let error = await refusal { () throws(ConfigurationError) in
                _ = try load(file)
            }
            #expect(error?.contains("certificate-authority-data") == true, "\(error ?? "")")
        }
    }

    /// Names come from files and may contain line breaks.
    @Test(arguments: [
        "current-context: x\ncontexts: [{name: \"a\\r\\nb\\e[31m\"}]",
        "current-context: \"a\\nb\"\ncontexts: [{name: c}]",
        "current-context: c\ncontexts: [{name: c, context: {cluster: \"a\\rb\"}}]",
        "current-context: c\ncontexts: [{name: c, context: {cluster: l, user: \"a\\nb\"}}]\nclusters: [{name: l, cluster: {server: h}}]",
        "users: [{name: \"a\\nb\", user: {}}, {name: \"a\\nb\"}]",
        "clusters: [{name: \"a\\nb\", cluster: 7}]",
        "current-context: c\ncontexts: [{name: c, context: {cluster: l, user: u}}]\nclusters: [{name: l, cluster: {server: h}}]\n"
            + "users: [{name: u, user: {auth-provider: {name: \"a\\r\\u2028b\"}}}]",
    ])
    func keepsMessagesInOneLine(content: String) async throws {
        let file = try folder.write("config", content)
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(!line.unicodeScalars.contains { $0.isInvisible }, "\(line.debugDescription)")
    }

    @Test(arguments: [
        ("server: ftp://x", "duplicate key"),
        ("insecure-skip-tls-verify: 1", "is a number, expected true or false"),
        ("proxy-url: x", "expected http://, https:// or socks5://HOST:PORT"),
        ("certificate-authority-data: AAAA", "holds no PEM certificate"),
        (
            "insecure-skip-tls-verify: true, certificate-authority-data: LS0tLS1CRUdJTiBD",
            "exclude each other"
        ),
    ])
    func rejectsInvalidClusters(cluster: String, message: String) async throws {
        let file = try folder.write("config", kubeconfig(cluster: cluster))
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message), "\(line)")
        #expect(line.contains(file), "\(line)")
    }

    @Test(arguments: [
        ("a: [", "not valid YAML"), ("- a", "is not a kubeconfig"), ("kind: Secret", "kind is not Config"),
        ("clusters: {}", "clusters is a mapping, expected a list"),
        ("clusters: [{name: a}, {name: a}]", "clusters[1].name occurs twice in this file; remove one"),
        (
            "contexts: [{name: a, context: {cluster: x}}]",
            "current-context is not set; set it, or choose a context: a"
        ),
        ("current-context: b\ncontexts: [{name: a}]", "there is no context \"b\"; the contexts are: a"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: x}}]",
            "names \"x\", which is not among the clusters"
        ),
        ("", "current-context is not set"),
        (
            "current-context: x\ncontexts: [\((1000..<5000).map { "{name: c\($0)}" }.joined(separator: ","))]",
            "c1000, c1001, c1002, c1003, c1004, c1005, c1006, c1007 and 3992 more"
        ),
        ("contexts: [{name: \(String(repeating: "n", count: 100_000))}]", "choose a context: nnn"),
    ])
    func rejectsInvalidFiles(content: String, message: String) async throws {
        let file = try folder.write("config", content)
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.contains(message), "\(line)")
        #expect(line.contains(file), "\(line)")
        #expect(line.utf8.count < 1_000)
    }

    private static let long = String(repeating: "n", count: 100_000)

    /// The names of a file may have megabytes, and a message is a line.
    @Test(arguments: [
        "current-context: \(long)\ncontexts: [{name: a}]",
        "current-context: a\ncontexts: [{name: a, context: {cluster: \(long)}}]",
        "current-context: \(long)\ncontexts: [{name: \(long), context: {cluster: 7}}]",
        "current-context: c\ncontexts: [{name: c, context: {cluster: l, user: \(long)}}]\nclusters: [{name: l, cluster: {server: h}}]",
        "users: [{name: \"\(long)\", user: 7}]",
    ])
    func cutsLongNames(content: String) async throws {
        let file = try folder.write("config", content)
        let line = try #require(await refusal { () throws(ConfigurationError) in _ = try load(file) })
        #expect(line.utf8.count < 1_000)
    }
}
