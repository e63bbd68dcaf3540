import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import TestSupport
import Testing

@testable import KMS

/// Credential files whose token another service issues: impersonation, subject tokens from a URL, other universes.
struct GoogleImpersonationTests {
    private let folder: TemporaryFolder
    private let vectors: JWTVectors

    init() throws {
        folder = try TemporaryFolder()
        vectors = try JWTVectors.load()
    }

    private func source(
        _ file: AnyJSON, _ transport: any HTTPTransport, universe: GoogleUniverse = .standard
    ) throws -> any CloudTokenSource {
        let path = try folder.write("credentials.json", try file.data())
        let clock = ManualClientClock(date: Date(timeIntervalSince1970: Double(vectors.now)))
        let context = GoogleCredentialsContext(
            Environment([:]), services: transport, local: transport, universe: universe, clock: clock.clock)
        return try GoogleCredentialsFile(path: path, name: "test").source(
            context, scope: GoogleCredentials.scope)
    }

    private func error(_ file: AnyJSON, _ transport: any HTTPTransport) async -> CloudError? {
        await cloudError { () throws(CloudError) in
            do {
                return try await source(file, transport).token()
            } catch let error as CloudError {
                throw error
            } catch {
                throw CloudError(.cancelled, "\(error)")
            }
        }
    }

    private let user: AnyJSON = [
        "type": "authorized_user", "client_id": "id", "client_secret": "s", "refresh_token": "r",
    ]

    private func impersonated(
        _ changes: [String: AnyJSON?] = [:], by source: AnyJSON? = nil
    ) -> AnyJSON {
        var file: [String: AnyJSON] = [
            "type": "impersonated_service_account",
            "service_account_impersonation_url": "https://iam.example/v1/x:generateAccessToken",
            "source_credentials": source ?? user,
        ]
        for (key, value) in changes { file[key] = value }
        return .object(file)
    }

    private func serviceAccount() throws -> AnyJSON {
        [
            "type": "service_account", "client_email": "sb@p.iam.gserviceaccount.com",
            "private_key_id": "abc123", "private_key": .string(try #require(vectors.pem["pkcs8"])),
        ]
    }

    /// Responds to generateAccessToken with `response`, and to other requests with a token.
    private func services(_ response: FakeTransport.Response) -> FakeTransport {
        FakeTransport { $0.path.hasSuffix(":generateAccessToken") ? response : .token("ya29.source") }
    }

    private let granted = FakeTransport.Response.json([
        "accessToken": "ya29.imp", "expireTime": "2099-01-01T00:00:00Z",
    ])

    // MARK: Impersonation

    @Test func requestsATokenForAnHour() async throws {
        let transport = services(granted)
        _ = try await source(impersonated(), transport).token()
        #expect(transport.requests.last?.json?["lifetime"] == "3600s")
    }

    @Test(arguments: [Int.min, 0, 599, 43_201])
    func rejectsALifetimeOutOfRange(seconds: Int) async throws {
        let file: AnyJSON = [
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": "https://sts.example/v1/token", "credential_source": ["file": "/token"],
            "service_account_impersonation_url": "https://iam.example/v1/x:generateAccessToken",
            "service_account_impersonation": ["token_lifetime_seconds": .int(seconds)],
        ]
        let error = await error(file, services(granted))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("not a number from 600 to 43200") == true, "\(error?.message ?? "")")
    }

    @Test func theTokenOfTheSourceCanOnlyImpersonate() async throws {
        let transport = services(granted)
        _ = try await source(impersonated(by: serviceAccount()), transport).token()
        let assertion = try #require(transport.requests.first?.form["assertion"])
        let claims = assertion.split(separator: ".")[1].replacing("-", with: "+").replacing("_", with: "/")
        let padding = String(repeating: "=", count: (4 - claims.count % 4) % 4)
        let data = try #require(Data(base64Encoded: claims + padding))
        #expect(try AnyJSON(Array(data))["scope"]?.string == "https://www.googleapis.com/auth/iam")
        #expect(transport.requests.last?.json?["scope"] == ["https://www.googleapis.com/auth/cloud-platform"])
    }

    @Test(
        arguments: [
            (["accessToken": "t"], "has no expireTime"),
            (["expireTime": "2099-01-01T00:00:00Z"], "has no accessToken"),
            (["accessToken": "t", "expireTime": "soon"], "has no expireTime"),
            (["accessToken": "two words", "expireTime": "2099-01-01T00:00:00Z"], "has no accessToken"),
            (["accessToken": "t", "expireTime": "2001-01-01T00:00:00Z"], "was already expired"),
        ] as [(AnyJSON, String)])
    func rejectsAResponseWithoutAUsableToken(body: AnyJSON, problem: String) async {
        let error = await error(impersonated(), services(.json(body)))
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test func theTokenEndsWithItsExpireTime() async throws {
        let end = Date(timeIntervalSince1970: Double(vectors.now) + 90)
        let response = FakeTransport.Response.json([
            "accessToken": "t", "expireTime": .string(end.formatted(.iso8601)),
        ])
        #expect(try await source(impersonated(), services(response)).token()?.lifetime == .seconds(90))
    }

    @Test func anImpersonatedAccountCannotImpersonateAnother() async {
        let error = await error(impersonated(by: impersonated()), services(granted))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("list it in delegates") == true, "\(error?.message ?? "")")
    }

    @Test(
        arguments: [
            .array(Array(repeating: "a", count: 9)), [""], [7],
            .array([.string(String(repeating: "a", count: 513))]),
        ] as [AnyJSON])
    func rejectsDelegatesThatAreNotNames(delegates: AnyJSON) async {
        let error = await error(impersonated(["delegates": delegates]), services(granted))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("delegates that are not names") == true, "\(error?.message ?? "")")
    }

    @Test func passesOnRetryAfterOfAnImpersonation() async {
        let response = FakeTransport.Response.gcpError(503, "UNAVAILABLE", fields: [.retryAfter: "120"])
        let error = await error(impersonated(), services(response))
        #expect(error?.code == .unavailable)
        #expect(error?.retryAfter == .seconds(120))
    }

    // MARK: Subject tokens from a URL

    private func external(_ source: AnyJSON) -> AnyJSON {
        [
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": "https://sts.example/v1/token", "credential_source": source,
        ]
    }

    @Test(arguments: [
        #"{"other":"subject.jwt"}"#, #"{"id_token":""}"#, #"{"id_token":7}"#, "subject.jwt", "",
    ])
    func rejectsAResponseWithoutTheFieldOfTheToken(body: String) async {
        let source: AnyJSON = [
            "url": "https://issuer.example/token",
            "format": ["type": "json", "subject_token_field_name": "id_token"],
        ]
        let transport = FakeTransport { $0.path == "/token" ? .init(200, body) : .token("t") }
        let error = await error(external(source), transport)
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("has no field id_token") == true, "\(error?.message ?? "")")
        #expect(transport.requests.count == 1)
    }

    @Test(arguments: [(404, CloudError.Code.misconfigured), (503, .unavailable)])
    func reportsAnErrorOfTheSourceOfTheToken(status: Int, code: CloudError.Code) async {
        let transport = FakeTransport { request in
            request.path == "/token"
                ? .init(status, "canary", fields: [.retryAfter: "120"]) : .token("t")
        }
        let error = await error(external(["url": "https://issuer.example/token"]), transport)
        #expect(error?.code == code)
        #expect(error?.retryAfter == .seconds(120))
        #expect(error?.message.contains("canary") == false)
        #expect(transport.requests.count == 1)
    }

    // MARK: Hosts

    @Test(arguments: ["googleapis.com", "cloud.example"])
    func theTokenOfAUserComesFromTheUniverse(domain: String) async throws {
        let transport = FakeTransport { _ in .token("t") }
        _ = try await source(user, transport, universe: try #require(GoogleUniverse(domain))).token()
        #expect(transport.requests.first?.origin == "https://oauth2.\(domain)")
        #expect(transport.requests.first?.line == "POST /token")
    }

    @Test func theTokenOfAServiceAccountComesFromGoogle() async throws {
        let transport = FakeTransport { _ in .token("t") }
        _ = try await source(serviceAccount(), transport).token()
        #expect(transport.requests.first?.origin == "https://oauth2.googleapis.com")
        #expect(transport.requests.first?.line == "POST /token")
    }

    @Test(arguments: ["googleapis.com", "cloud.example"])
    func theServicesOfAProviderAreThoseOfTheUniverse(domain: String) async throws {
        struct Identity: IdentityTokenSource {
            let name = "the token"
            func token() async throws(IdentityTokenError) -> SharedSecret {
                SharedSecret(copying: "jwt".utf8)
            }
        }
        let transport = services(granted)
        let context = GoogleCredentialsContext(
            Environment([:]), services: transport, local: transport,
            universe: try #require(GoogleUniverse(domain)))
        let settings = Environment([
            GoogleProviderIdentity.poolProviderVariable:
                "projects/1/locations/global/workloadIdentityPools/p/providers/x",
            GoogleProviderIdentity.serviceAccountVariable: "team-a@p.iam.gserviceaccount.com",
        ])
        _ = try await GoogleProviderIdentity(settings: settings, context: context)
            .source(exchanging: Identity()).token()
        #expect(
            transport.requests.map(\.origin) == ["https://sts.\(domain)", "https://iamcredentials.\(domain)"])
        // The token of the exchange can only impersonate.
        #expect(transport.requests.first?.form["scope"] == "https://www.googleapis.com/auth/iam")
    }
}
