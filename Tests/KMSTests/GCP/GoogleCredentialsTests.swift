import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The recorded key and assertions (Tests/Vectors/jwt).
struct JWTVectors: Decodable {
    struct Signature: Decodable {
        let message, signature: Data
    }

    struct Parts: Decodable {
        let header, claims: AnyJSON
    }

    let now: Int
    let pem: [String: String]
    let signatures: [Signature]
    let assertion, selfSigned: Parts

    static func load() throws -> JWTVectors {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Vectors/jwt/assertions.json").standardizedFileURL
        return try JSONDecoder().decode(JWTVectors.self, from: Data(contentsOf: file))
    }
}

/// Application Default Credentials with the files and servers of a test.
struct GoogleCredentialsTests {
    private let folder: TemporaryFolder
    private let vectors: JWTVectors

    init() throws {
        folder = try TemporaryFolder()
        vectors = try JWTVectors.load()
    }

    private func serviceAccount(_ changes: [String: AnyJSON?] = [:]) throws -> AnyJSON {
        var file: [String: AnyJSON] = [
            "type": "service_account", "project_id": "p", "client_email": "sb@p.iam.gserviceaccount.com",
            "private_key_id": "abc123", "private_key": .string(try #require(vectors.pem["pkcs8"])),
            "token_uri": "https://token.example/token",
        ]
        for (key, value) in changes { file[key] = value }
        return .object(file)
    }

    private func externalAccount(_ source: AnyJSON, _ changes: [String: AnyJSON?] = [:]) -> AnyJSON {
        var file: [String: AnyJSON] = [
            "type": "external_account",
            "audience":
                "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.example/v1/token", "credential_source": source,
        ]
        for (key, value) in changes { file[key] = value }
        return .object(file)
    }

    private func write(_ value: AnyJSON, _ name: String = "credentials.json") throws -> String {
        try folder.write(name, try value.data())
    }

    private func source(
        _ environment: [String: String], _ transport: any HTTPTransport, local: (any HTTPTransport)? = nil,
        universe: GoogleUniverse = .standard
    ) -> any CloudTokenSource {
        let clock = ManualClientClock(date: Date(timeIntervalSince1970: Double(vectors.now)))
        return GoogleCredentials.applicationDefault(
            GoogleCredentialsContext(
                Environment(environment), services: transport,
                local: local ?? FakeTransport { _ in throw HTTPError(.nameNotResolved, activity: "GET") },
                universe: universe, clock: clock.clock))
    }

    private func token(_ file: AnyJSON, _ transport: any HTTPTransport, local: (any HTTPTransport)? = nil)
        async throws -> CloudToken?
    {
        try await source(
            ["GOOGLE_APPLICATION_CREDENTIALS": try write(file)], transport, local: local
        ).token()
    }

    private func error(_ file: AnyJSON) async throws -> CloudError? {
        let source = source(
            ["GOOGLE_APPLICATION_CREDENTIALS": try write(file)], FakeTransport { _ in .token("t") })
        return await cloudError { () throws(CloudError) in try await source.token() }
    }

    // MARK: Service accounts

    /// Returns the header and the claims of a token whose signature google-auth's key verifies.
    private func parts(_ token: String) throws -> JWTParts {
        let segments = token.split(separator: ".").map { Array($0.utf8) }
        try #require(segments.count == 3)
        let decoded = try segments.map { segment in
            try segment.withBytes { bytes throws(Base64.DecodingError) in
                try Base64URL.decodeSecret(bytes).revealed()
            }
        }
        let message = Array(token.utf8.prefix(segments[0].count + segments[1].count + 1))
        let key = try RSAPrivateKey(pem: SecretBytes(copying: try #require(vectors.pem["pkcs1"]).utf8))
        // The signatures of this scheme are deterministic, and compared with cryptography's in CryptographyTests.
        #expect(try message.withUnsafeBytes { try key.signPKCS1SHA256($0) } == decoded[2])
        return JWTParts(header: try AnyJSON(decoded[0]), claims: try AnyJSON(decoded[1]))
    }

    private struct JWTParts {
        let header, claims: AnyJSON
    }

    @Test func signsTheAssertionOfGoogleAuth() async throws {
        let transport = FakeTransport { _ in .token("ya29.sa") }
        let token = try await token(serviceAccount(), transport)
        #expect(token?.value.text == "ya29.sa")
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /token")
        #expect(sent.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer")
        let parts = try parts(try #require(sent.form["assertion"]))
        #expect(parts.header == vectors.assertion.header)
        #expect(parts.claims == vectors.assertion.claims)
    }

    /// Other universes have no token endpoint.
    @Test func signsTheTokenItselfInAnotherUniverse() async throws {
        let file = try write(serviceAccount(["universe_domain": "cloud.example"]))
        let transport = FakeTransport { _ in .init(500, "") }
        let source = source(
            ["GOOGLE_APPLICATION_CREDENTIALS": file], transport,
            universe: try #require(GoogleUniverse("cloud.example")))
        let token = try #require(try await source.token())
        let parts = try parts(token.value.text)
        #expect(parts.header == vectors.selfSigned.header)
        #expect(parts.claims == vectors.selfSigned.claims)
        #expect(token.lifetime == .seconds(3600))
        #expect(transport.requests.isEmpty)
    }

    @Test func doesNotSendATokenToAnotherUniverse() async throws {
        let error = try await error(serviceAccount(["universe_domain": "cloud.example"]))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("GOOGLE_CLOUD_UNIVERSE_DOMAIN") == true)
    }

    @Test func theTokenCarriesTheQuotaProjectOfTheFile() async throws {
        let token = try await token(
            serviceAccount(["quota_project_id": "payer"]), FakeTransport { _ in .token("t") })
        #expect(token?.fields[.googUserProject] == "payer")
    }

    private static let incompleteFiles: [(key: String, value: AnyJSON?, problem: String)] = [
        ("client_email", nil, "has no client_email"),
        ("private_key_id", nil, "has no private_key_id"),
        ("private_key", nil, "has no private_key"), ("private_key", "canary", "not an unencrypted RSA key"),
        ("token_uri", "http://token.example/", "token_uri that is not an https URL"),
        ("type", nil, "has no type"), ("type", "new_type", "unknown type new_type"),
        ("type", "gdch_service_account", "not supported"),
        ("type", "external_account_authorized_user", "not supported"),
    ]

    @Test(arguments: incompleteFiles)
    func rejectsAnIncompleteKeyFile(key: String, value: AnyJSON?, problem: String) async throws {
        let error = try await error(serviceAccount([key: value]))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("canary") == false)
    }

    @Test func rejectsAnEncryptedPrivateKey() async throws {
        let encrypted = AnyJSON.string(try #require(vectors.pem["encrypted"]))
        let error = try await error(serviceAccount(["private_key": encrypted]))
        #expect(error?.message.contains("not an unencrypted RSA key") == true)
    }

    // MARK: Other types of files

    @Test func refreshesTheTokenOfAUser() async throws {
        let file: AnyJSON = [
            "type": "authorized_user", "client_id": "id.apps.googleusercontent.com",
            "client_secret": "s&cret",
            "refresh_token": "1//refresh", "quota_project_id": "payer",
        ]
        let transport = FakeTransport { _ in .token("ya29.user") }
        let token = try await token(file, transport)
        #expect(token?.value.text == "ya29.user")
        #expect(token?.fields[.googUserProject] == "payer")
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /token")
        #expect(
            sent.form == [
                "grant_type": "refresh_token", "client_id": "id.apps.googleusercontent.com",
                "client_secret": "s&cret", "refresh_token": "1//refresh",
            ])
    }

    @Test func exchangesATokenFromAFile() async throws {
        let path = try folder.write("token", "subject.jwt\n")
        let transport = FakeTransport { _ in .token("ya29.sts") }
        let token = try await token(externalAccount(["file": .string(path)]), transport)
        #expect(token?.value.text == "ya29.sts")
        let sent = try #require(transport.requests.first)
        #expect(sent.line == "POST /v1/token")
        #expect(
            sent.form == [
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "audience":
                    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "subject_token": "subject.jwt", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            ])
        #expect(sent.authorization == nil)
    }

    @Test func readsTheSubjectTokenAgainForEachExchange() async throws {
        let path = try folder.write("token", "first")
        let transport = FakeTransport { _ in .token("t") }
        let file = try write(externalAccount(["file": .string(path)]))
        let source = source(["GOOGLE_APPLICATION_CREDENTIALS": file], transport)
        _ = try await source.token()
        try folder.write("token", "second")
        _ = try await source.token()
        #expect(transport.requests.map { $0.form["subject_token"] } == ["first", "second"])
    }

    @Test func readsJSONFromAFile() async throws {
        let path = try folder.write("token", #"{"id_token":"subject.jwt"}"#)
        let transport = FakeTransport { _ in .token("t") }
        let format: AnyJSON = ["type": "json", "subject_token_field_name": "id_token"]
        _ = try await token(externalAccount(["file": .string(path), "format": format]), transport)
        #expect(transport.requests.first?.form["subject_token"] == "subject.jwt")
    }

    @Test(arguments: [
        ("http://169.254.169.254/token?x=y", true), ("http://127.0.0.1:8080/token?x=y", true),
        ("https://issuer.example/token?x=y", false),
    ])
    func getsATokenFromAURL(url: String, isLocal: Bool) async throws {
        let answer: @Sendable (FakeTransport.Request) -> FakeTransport.Response = { request in
            request.path == "/token" ? .json(["token": "subject.jwt"]) : .token("t")
        }
        let (services, local) = (FakeTransport(answer), FakeTransport(answer))
        let source: AnyJSON = [
            "url": .string(url), "headers": ["Metadata": "True"],
            "format": ["type": "json", "subject_token_field_name": "token"],
        ]
        _ = try await token(externalAccount(source), services, local: local)
        let fetched = try #require((isLocal ? local : services).requests.first)
        #expect(fetched.line == "GET /token?x=y")
        #expect(fetched.secrets[try #require(HTTPField.Name("Metadata"))] == "True")
        #expect(services.requests.last?.form["subject_token"] == "subject.jwt")
    }

    @Test func authenticatesAClientOfTheExchange() async throws {
        let path = try folder.write("token", "subject.jwt")
        let transport = FakeTransport { _ in .token("t") }
        let account = externalAccount(
            ["file": .string(path)],
            ["client_id": "id", "client_secret": "secret", "workforce_pool_user_project": "p1"])
        _ = try await token(account, transport)
        #expect(transport.requests.first?.authorization == "Basic aWQ6c2VjcmV0")
        #expect(transport.requests.first?.form["options"] == #"{"userProject":"p1"}"#)
    }

    @Test func impersonatesAServiceAccount() async throws {
        let path = try folder.write("token", "subject.jwt")
        let vectors = vectors
        let transport = FakeTransport { request in
            guard request.path.hasSuffix(":generateAccessToken") else { return .token("ya29.sts") }
            let end = Date(timeIntervalSince1970: Double(vectors.now) + 1800)
            return .json(["accessToken": "ya29.imp", "expireTime": .string(end.formatted(.iso8601))])
        }
        let account = externalAccount(
            ["file": .string(path)],
            [
                "service_account_impersonation_url":
                    "https://iamcredentials.example/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken",
                "service_account_impersonation": ["token_lifetime_seconds": 1800],
            ])
        let token = try await token(account, transport)
        #expect(token?.value.text == "ya29.imp")
        #expect(token?.lifetime == .seconds(1800))
        #expect(transport.requests[0].form["scope"] == "https://www.googleapis.com/auth/iam")
        let sent = transport.requests[1]
        #expect(sent.path == "/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken")
        #expect(sent.authorization == "Bearer ya29.sts")
        #expect(
            sent.json == [
                "delegates": [], "lifetime": "1800s",
                "scope": ["https://www.googleapis.com/auth/cloud-platform"],
            ])
    }

    @Test func impersonatesWithTheCredentialsInTheFile() async throws {
        let transport = FakeTransport { request in
            request.path.hasSuffix(":generateAccessToken")
                ? .json(["accessToken": "ya29.imp", "expireTime": "2099-01-01T00:00:00Z"])
                : .token("ya29.user")
        }
        let file: AnyJSON = [
            "type": "impersonated_service_account", "delegates": ["projects/-/serviceAccounts/b@p"],
            "service_account_impersonation_url":
                "https://iam.example/v1/projects/-/serviceAccounts/a:generateAccessToken",
            "source_credentials": [
                "type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r",
            ], "quota_project_id": "payer",
        ]
        let token = try await token(file, transport)
        #expect(token?.value.text == "ya29.imp")
        #expect(token?.fields[.googUserProject] == "payer")
        #expect(transport.requests[1].authorization == "Bearer ya29.user")
        #expect(transport.requests[1].json?["delegates"] == ["projects/-/serviceAccounts/b@p"])
    }

    @Test func namesTheRoleThatImpersonationNeeds() async throws {
        let transport = FakeTransport { request in
            request.path.hasSuffix(":generateAccessToken")
                ? .gcpError(403, "PERMISSION_DENIED", reason: "IAM_PERMISSION_DENIED") : .token("t")
        }
        let path = try folder.write("token", "subject.jwt")
        let account = externalAccount(
            ["file": .string(path)],
            ["service_account_impersonation_url": "https://iam.example/v1/x:generateAccessToken"])
        let file = try write(account)
        let source = source(["GOOGLE_APPLICATION_CREDENTIALS": file], transport)
        let error = await cloudError { () throws(CloudError) in try await source.token() }
        #expect(error?.code == .accessDenied)
        #expect(error?.message.contains("roles/iam.workloadIdentityUser") == true)
        #expect(error?.message.contains("canary") == false)
    }

    private static let unsupportedSources: [(source: AnyJSON, problem: String)] = [
        (["executable": ["command": "/bin/token"]], "must not start programs"),
        (
            ["environment_id": "aws1", "url": "http://169.254.169.254/"],
            "AWS (environment_id), which is not supported"
        ),
        (["certificate": ["use_default_certificate_config": true]], "X.509"),
        ([:], "without either file or url"),
        (["file": "/a", "url": "https://b/"], "without either file or url"),
        (["url": "http://10.0.0.1/token"], "neither https nor on this node"),
        (["file": "/a", "format": ["type": "xml"]], "unknown format xml"),
        (["file": "/a", "format": ["type": "json"]], "has no subject_token_field_name"),
        (["url": "https://b/", "headers": ["A": "b\r\nc"]], "headers that are not valid"),
        (["file": "/nonexistent-token"], "/nonexistent-token: No such file"),
    ]

    @Test(arguments: unsupportedSources)
    func rejectsSourcesOfSubjectTokens(source: AnyJSON, problem: String) async throws {
        let error = try await error(externalAccount(source))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: ["two words", "", "a\u{0}b"])
    func rejectsAFileWithoutAToken(content: String) async throws {
        let path = try folder.write("token", content)
        let error = try await error(externalAccount(["file": .string(path)]))
        #expect(error?.message.contains("not a token") == true)
    }

    @Test(arguments: ["", "[]", "not json", String(repeating: "[", count: 1000)])
    func rejectsAFileOfAnotherForm(content: String) async throws {
        let path = try folder.write("c.json", content)
        let source = source(["GOOGLE_APPLICATION_CREDENTIALS": path], FakeTransport { _ in .token("t") })
        let error = await cloudError { () throws(CloudError) in try await source.token() }
        #expect(error?.message.contains("not a JSON object") == true)
    }

    @Test func rejectsAFileThatIsTooLarge() async throws {
        let path = try folder.write("c.json", String(repeating: " ", count: 300_000))
        let source = source(["GOOGLE_APPLICATION_CREDENTIALS": path], FakeTransport { _ in .token("t") })
        let error = await cloudError { () throws(CloudError) in try await source.token() }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("larger than") == true)
    }

    // MARK: Order

    @Test func searchesInGooglesOrder() async throws {
        let user: AnyJSON = [
            "type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r",
        ]
        try folder.write("gcloud/application_default_credentials.json", try user.data())
        try folder.write("home/.config/gcloud/application_default_credentials.json", try user.data())
        let services = FakeTransport { request in
            .token(request.form["grant_type"] == "refresh_token" ? "user" : "account")
        }
        let local = FakeTransport { _ in
            var response = FakeTransport.Response.token("metadata")
            response.fields[.metadataFlavor] = "Google"
            return response
        }
        func found(_ environment: [String: String]) async throws -> String? {
            try await source(environment, services, local: local).token()?.value.text
        }
        let file = try write(serviceAccount())
        let gcloud = ["CLOUDSDK_CONFIG": folder.path("gcloud"), "HOME": folder.path("none")]
        #expect(
            try await found(gcloud.merging(["GOOGLE_APPLICATION_CREDENTIALS": file]) { $1 })
                == "account")
        #expect(try await found(gcloud) == "user")
        #expect(try await found(["HOME": folder.path("home")]) == "user")
        #expect(try await found(["HOME": folder.path("none")]) == "metadata")
        #expect(try await found([:]) == "metadata")
    }

    @Test func aMissingFileOfTheVariableEndsTheSearch() async throws {
        let source = source(
            ["GOOGLE_APPLICATION_CREDENTIALS": folder.path("missing.json")],
            FakeTransport { _ in .token("t") })
        let error = await cloudError { () throws(CloudError) in try await source.token() }
        #expect(error?.code == .misconfigured)
        #expect(
            error?.message.hasPrefix("GOOGLE_APPLICATION_CREDENTIALS: the credential file cannot be read")
                == true)
    }

    // MARK: Metadata server

    private func metadata(
        _ environment: [String: String] = [:],
        _ response: @escaping @Sendable () throws -> FakeTransport.Response
    ) async -> (token: CloudToken?, error: CloudError?, requests: [FakeTransport.Request]) {
        let local = FakeTransport { _ in try response() }
        let source = source(environment, FakeTransport { _ in .init(500, "") }, local: local)
        do throws(CloudError) {
            return (try await source.token(), nil, local.requests)
        } catch {
            return (nil, error, local.requests)
        }
    }

    @Test func asksTheMetadataServer() async throws {
        let (token, _, requests) = await metadata {
            var response = FakeTransport.Response.token("ya29.md", seconds: 1000)
            response.fields[.metadataFlavor] = "Google"
            return response
        }
        #expect(token?.value.text == "ya29.md")
        #expect(token?.lifetime == .seconds(1000))
        #expect(
            requests.first?.line
                == "GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
        )
        #expect(requests.first?.fields[.metadataFlavor] == "Google")
    }

    @Test func rejectsAServerThatIsNoMetadataServer() async throws {
        let (token, error, _) = await metadata { .token("trap") }
        #expect(token == nil)
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("is not a metadata server") == true)
    }

    @Test(arguments: [
        (404, CloudError.Code.misconfigured, "no service account is attached"),
        (403, .accessDenied, "iam.gke.io/gcp-service-account"), (500, .unavailable, "HTTP 500"),
    ])
    func mapsErrorsOfTheMetadataServer(status: Int, code: CloudError.Code, problem: String) async throws {
        let (_, error, _) = await metadata { .init(status, "canary", fields: [.metadataFlavor: "Google"]) }
        #expect(error?.code == code)
        #expect(error?.message.contains(problem) == true)
        #expect(error?.message.contains("canary") == false)
    }

    @Test func passesOnRetryAfterOfTheMetadataServer() async throws {
        let (_, error, _) = await metadata {
            .init(503, "", fields: [.metadataFlavor: "Google", .retryAfter: "120"])
        }
        #expect(error?.retryAfter == .seconds(120))
    }

    @Test func saysWhereCredentialsCanComeFromIfThereAreNone() async throws {
        let (_, error, _) = await metadata {
            throw HTTPError(.nameNotResolved, activity: "GET http://metadata")
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("(GOOGLE_APPLICATION_CREDENTIALS, gcloud)") == true)
        #expect(error?.message.contains("seems not to be on Google Cloud") == true)
        #expect(error?.message.contains("gcloud auth application-default login") == true)
    }

    @Test func theMetadataServerCanBeTurnedOff() async throws {
        let (_, error, requests) = await metadata(["NO_GCE_CHECK": "true"]) { .token("t") }
        #expect(error?.message.contains("no Google credentials are configured") == true)
        #expect(requests.isEmpty)
    }

    @Test func rejectsAMetadataHostOfAnotherForm() async throws {
        let (_, error, requests) = await metadata(["GCE_METADATA_HOST": "http://host/path"]) { .token("t") }
        #expect(error?.message.contains("GCE_METADATA_HOST is not of the form") == true)
        #expect(requests.isEmpty)
    }
}

/// The identity of a provider.
struct GoogleProviderIdentityTests {
    private struct Identity: IdentityTokenSource {
        let name = "the token of service account team-a/reader"
        func token() async throws(IdentityTokenError) -> SharedSecret { SharedSecret(copying: "sa.jwt".utf8) }
    }

    private let pool = "projects/1/locations/global/workloadIdentityPools/p/providers/x"

    private func source(
        _ values: [String: String], _ transport: any HTTPTransport,
        _ identity: any IdentityTokenSource = Identity()
    ) throws -> any CloudTokenSource {
        var settings: [String: String] = [:]
        for (field, value) in values { settings[try #require(GCPBackend.providerFields[field])] = value }
        let context = GoogleCredentialsContext(
            Environment(["GOOGLE_APPLICATION_CREDENTIALS": "/never-read"]), services: transport,
            local: FakeTransport { _ in .init(500, "") }, universe: .standard)
        return try GoogleProviderIdentity(settings: Environment(settings), context: context)
            .source(exchanging: identity)
    }

    @Test func exchangesTheTokenOfTheIdentity() async throws {
        let transport = FakeTransport { _ in .token("ya29.sts") }
        for name in [pool, "//iam.googleapis.com/" + pool] {
            let token = try await source(["workloadIdentityProvider": name], transport).token()
            #expect(token?.value.text == "ya29.sts")
        }
        #expect(transport.requests.count == 2)
        #expect(transport.requests.allSatisfy { $0.form["audience"] == "//iam.googleapis.com/" + pool })
        #expect(transport.requests.allSatisfy { $0.form["subject_token"] == "sa.jwt" })
        #expect(transport.requests.allSatisfy { $0.form["scope"] == GoogleCredentials.scope })
    }

    @Test func impersonatesTheServiceAccountOfTheProvider() async throws {
        let transport = FakeTransport { request in
            request.path.hasSuffix(":generateAccessToken")
                ? .json(["accessToken": "ya29.imp", "expireTime": "2099-01-01T00:00:00Z"])
                : .token("ya29.sts")
        }
        let values = [
            "workloadIdentityProvider": pool, "serviceAccount": "team-a@p.iam.gserviceaccount.com",
            "stsEndpoint": "https://sts.p.example", "iamEndpoint": "http://127.0.0.1:8080/",
        ]
        let token = try await source(values, transport).token()
        #expect(token?.value.text == "ya29.imp")
        #expect(
            transport.requests.map(\.path) == [
                "/v1/token",
                "/v1/projects/-/serviceAccounts/team-a@p.iam.gserviceaccount.com:generateAccessToken",
            ])
    }

    @Test func reportsWhyTheIdentityHasNoToken() async throws {
        struct Denied: IdentityTokenSource {
            let name = "the token"
            func token() async throws(IdentityTokenError) -> SharedSecret {
                throw IdentityTokenError(.denied, "RBAC denies it", retryAfter: .seconds(9))
            }
        }
        let source = try source(
            ["workloadIdentityProvider": pool], FakeTransport { _ in .token("t") }, Denied())
        let error = await cloudError { () throws(CloudError) in try await source.token() }
        #expect(error?.code == .accessDenied)
        #expect(error?.message == "RBAC denies it")
        #expect(error?.retryAfter == .seconds(9))
    }

    @Test(arguments: [
        ([:], "workloadIdentityProvider is not set"),
        (["workloadIdentityProvider": "p"], "is not the name of a provider"),
        (
            [
                "workloadIdentityProvider":
                    "projects/1/locations/global/workloadIdentityPools/p/providers/../x"
            ],
            "is not the name of a provider"
        ),
        (["serviceAccount": "a b@p"], "is not the email"), (["serviceAccount": "a@b@c"], "is not the email"),
        (["stsEndpoint": "http://sts.example"], "plain http"), (["stsEndpoint": "sts"], "is not a URL"),
        (["iamEndpoint": "http://iam.example", "serviceAccount": "a@b"], "plain http"),
        (["key": ""], "key is not set"), (["universeDomain": "x"], "is not a domain"),
        (["color": "red"], "has no field color"),
    ])
    func rejectsInvalidFields(values: [String: String], problem: String) throws {
        var all = ["key": gcpKey, "workloadIdentityProvider": pool]
        if values.isEmpty { all["workloadIdentityProvider"] = nil }
        all.merge(values) { $1 }
        let factory = KeyProviderFactory(from: Environment([:]), for: .controller)
        let error = #expect(throws: KeyProviderSettingsError.self) {
            try factory.keyManager(
                for: KeyProviderSettings(backend: "gcp-kms", values: all), identity: Identity())
        }
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("SB_KMS") == false, "\(error?.message ?? "")")
    }

    @Test func aProviderHasItsOwnKeyID() throws {
        let factory = KeyProviderFactory(
            from: Environment(["SB_KMS_GCP_KEY": gcpKey + "-default"]), for: .controller)
        let manager = try factory.keyManager(
            for: KeyProviderSettings(
                backend: "gcp-kms", values: ["key": gcpKey, "workloadIdentityProvider": pool]),
            identity: Identity())
        #expect(manager.keyID == "gcp-kms:\(gcpKey)")
        #expect(!manager.accepts(keyID: "gcp-kms:\(gcpKey)-default"))
    }
}
