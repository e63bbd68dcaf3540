import Concurrency
import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import JSON
import Settings
import System
import TestSupport
import Testing

@testable import KMS

/// The sources of access tokens, with a scripted Microsoft Entra ID and metadata service.
struct AzureCredentialsTests {
    private static let clientID = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb"
    private static let application = ["AZURE_TENANT_ID": azureTenant, "AZURE_CLIENT_ID": clientID]
    private static let tokenResponse = FakeTransport.Response(
        200, #"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"TOKEN"}"#)
    private static let managedResponse = FakeTransport.Response(
        200,
        #"{"access_token":"MANAGED","expires_in":"86399","expires_on":"1800086399","not_before":"1800000000","#
            + #""resource":"https://vault.azure.net","token_type":"Bearer","client_id":"c"}"#)

    private let folder: TemporaryFolder
    private let request = AzureTokenRequest(resource: "https://vault.azure.net", tenant: azureTenant)

    init() throws { folder = try TemporaryFolder() }

    /// - Parameter path: The folders in which the Azure command line is looked for.
    private func credentials(
        _ values: [String: String], entra: FakeTransport, metadata: FakeTransport? = nil, path: String = ""
    ) throws -> AzureCredentials {
        .process(
            AzureCredentialsContext(
                Environment(values), services: entra, local: metadata ?? Self.noMetadata,
                childEnvironment: { ["PATH": "\(path):/usr/bin:/bin"] }, clock: AzureTestClock().clock),
            authority: try #require(ServerAddress("https://login.microsoftonline.com")))
    }

    private static var noMetadata: FakeTransport {
        FakeTransport { _ in throw HTTPError(.connectFailed, activity: "GET") }
    }

    private func error(_ credentials: AzureCredentials, claims: JSONValue? = nil) async -> CloudError? {
        var request = request
        request.claims = claims
        do throws(CloudError) {
            _ = try await credentials.token(for: request)
            return nil
        } catch {
            return error
        }
    }

    private func form(_ request: FakeTransport.Request?) -> [String: String] {
        let items = URLComponents(string: "?" + (request?.text ?? ""))?.queryItems ?? []
        return Dictionary(items.map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
    }

    @Test func aClientSecretIsExchangedForAToken() async throws {
        let entra = FakeTransport { _ in Self.tokenResponse }
        let values = Self.application.merging(["AZURE_CLIENT_SECRET": "s3cr~t+/="]) { $1 }
        let token = try await credentials(values, entra: entra).token(for: request)
        #expect(token?.value.text == "TOKEN")
        #expect(token?.lifetime == .seconds(3599))
        let sent = try #require(entra.requests.first)
        #expect(sent.origin == "https://login.microsoftonline.com")
        #expect(sent.line == "POST /\(azureTenant)/oauth2/v2.0/token")
        let form = form(sent)
        #expect(form["client_id"] == Self.clientID)
        #expect(form["client_secret"] == "s3cr~t+/=")
        #expect(form["grant_type"] == "client_credentials")
        #expect(form["scope"] == "https://vault.azure.net/.default")
        let claims = try AnyJSON(Array((form["claims"] ?? "").utf8))
        #expect(claims[["access_token", "xms_cc", "values"]] == ["CP1"])
    }

    @Test func aWorkloadIdentitySendsTheContentOfItsFile() async throws {
        let entra = FakeTransport { _ in Self.tokenResponse }
        let file = try folder.write("token", "first.jwt.token\n")
        let values = Self.application.merging(["AZURE_FEDERATED_TOKEN_FILE": file]) { $1 }
        let credentials = try credentials(values, entra: entra)
        _ = try await credentials.token(for: request)
        try folder.write("token", "second.jwt.token")
        _ = try await credentials.token(for: request)
        #expect(
            entra.requests.map { form($0)["client_assertion"] } == ["first.jwt.token", "second.jwt.token"])
        #expect(
            form(entra.requests.first)["client_assertion_type"]
                == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    }

    @Test func aClientSecretPrecedesAWorkloadIdentityAndTheMachine() async throws {
        let entra = FakeTransport { _ in Self.tokenResponse }
        let metadata = FakeTransport { _ in Self.managedResponse }
        let values = Self.application.merging([
            "AZURE_CLIENT_SECRET": "s", "AZURE_FEDERATED_TOKEN_FILE": "/nonexistent",
        ]) { $1 }
        _ = try await credentials(values, entra: entra, metadata: metadata).token(for: request)
        #expect(form(entra.requests.first)["client_secret"] == "s")
        #expect(metadata.requests.isEmpty)
    }

    @Test(arguments: ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"])
    func anIncompleteApplicationIsNotSkipped(variable: String) async throws {
        let metadata = FakeTransport { _ in Self.managedResponse }
        for missing in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"] {
            var values = Self.application.merging([variable: "/nonexistent"]) { $1 }
            values[missing] = nil
            let credentials = try credentials(values, entra: FakeTransport(script: []), metadata: metadata)
            let error = await error(credentials)
            #expect(error?.code == .misconfigured)
            #expect(
                error?.message
                    == "\(missing) is not set; an application of Microsoft Entra ID needs it, besides \(variable)"
            )
        }
        #expect(metadata.requests.isEmpty)
    }

    @Test func anIdentityOfAnotherTenantThanTheVaultsIsNotSent() async throws {
        let entra = FakeTransport { _ in Self.tokenResponse }
        let other = "99999999-2222-3333-4444-555555555555"
        let values = Self.application.merging(["AZURE_CLIENT_SECRET": "s", "AZURE_TENANT_ID": other]) { $1 }
        let error = await error(try credentials(values, entra: entra))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("of tenant \(other) and the vault of tenant \(azureTenant)") == true)
        #expect(entra.requests.isEmpty)
    }

    @Test(arguments: [
        (401, "invalid_client", 7_000_215, CloudError.Code.accessDenied, "the client secret is wrong"),
        (401, "invalid_client", 7_000_222, .accessDenied, "has expired"),
        (400, "unauthorized_client", 700_016, .accessDenied, "no such application"),
        (400, "invalid_request", 90_002, .misconfigured, "the tenant does not exist"),
        (401, "invalid_client", 700_213, .accessDenied, "does not trust this service account"),
        (401, "invalid_client", 1, .accessDenied, "AADSTS1"),
        (503, "temporarily_unavailable", 90_033, .unavailable, "will be retried"),
    ])
    func describesTheErrorsOfEntra(
        status: Int, code: String, number: Int, expected: CloudError.Code, text: String
    ) async throws {
        let entra = FakeTransport { _ in
            .init(
                status,
                #"{"error":"\#(code)","error_description":"AADSTS\#(number): canary","error_codes":[\#(number)]}"#
            )
        }
        let values = Self.application.merging(["AZURE_CLIENT_SECRET": "s3cret"]) { $1 }
        let error = await error(try credentials(values, entra: entra))
        #expect(error?.code == expected)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("canary") == false)
        #expect(error?.message.contains("s3cret") == false)
    }

    @Test func theManagedIdentityOfTheMachineIsUsed() async throws {
        let metadata = FakeTransport { _ in Self.managedResponse }
        let token = try await credentials(
            ["AZURE_CLIENT_ID": Self.clientID], entra: FakeTransport(script: []), metadata: metadata
        ).token(for: request)
        #expect(token?.value.text == "MANAGED")
        #expect(token?.lifetime == .seconds(86_399))
        #expect(token?.refreshAfter == .seconds(86_399) / 2)
        let sent = try #require(metadata.requests.first)
        #expect(sent.origin == "http://169.254.169.254")
        #expect(
            sent.line
                == "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
                + "&client_id=\(Self.clientID)")
        #expect(sent.fields[HTTPField.Name("Metadata") ?? .accept] == "true")
    }

    @Test(arguments: [404, 410, 429, 500, 503])
    func theMetadataServiceIsAskedAgain(status: Int) async throws {
        let answers = Locked([FakeTransport.Response(status, "{}"), Self.managedResponse])
        let metadata = FakeTransport { _ in answers.withLock { $0.removeFirst() } }
        let identity = AzureManagedIdentity(
            Environment([:]), transport: metadata,
            backoff: .init(base: .milliseconds(1), maximum: .milliseconds(2)))
        guard case .token(let token) = try await identity.token(for: request, isLast: true) else {
            Issue.record("no token")
            return
        }
        #expect(token.value.text == "MANAGED")
    }

    @Test func aMachineWithoutIdentityIsReportedWithTheRemedy() async throws {
        let metadata = FakeTransport { _ in
            .init(400, #"{"error":"invalid_request","error_description":"Identity not found"}"#)
        }
        let error = await error(
            try credentials([:], entra: FakeTransport(script: []), metadata: metadata))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("no Azure credentials are configured") == true)
        #expect(error?.message.contains("this machine has no such identity") == true)
        #expect(error?.message.contains("az login") == true)
        #expect(metadata.requests.count == 1)
    }

    private func installCommandLine(_ script: String) throws -> String {
        try folder.writeProgram(
            "bin/az", "#!/bin/sh\necho \"$*\" >\"$(dirname \"$0\")/arguments\"\n\(script)\n")
        return folder.path("bin")
    }

    @Test func theCommandLineIsUsedOnAMachineWithoutMetadataService() async throws {
        let path = try installCommandLine(
            #"echo '{"accessToken":"USER","expires_on":1800003600,"expiresOn":"2000-01-01 00:00:00.000000"}'"#
        )
        let token = try await credentials([:], entra: FakeTransport(script: []), path: path).token(
            for: request)
        #expect(token?.value.text == "USER")
        #expect(token?.lifetime == .seconds(3600))
        #expect(
            try folder.read("bin/arguments")
                == "account get-access-token --output json --resource https://vault.azure.net --tenant \(azureTenant)\n"
        )
    }

    /// Versions before 2.54 print a local time only.
    @Test func theLocalTimeOfAnOldCommandLineIsRead() async throws {
        let path = try installCommandLine(
            #"printf '{"accessToken":"USER","expiresOn":"%s.000000"}' "$(date -d @1800003600 '+%Y-%m-%d %H:%M:%S')""#
        )
        let token = try await credentials([:], entra: FakeTransport(script: []), path: path).token(
            for: request)
        #expect(token?.lifetime == .seconds(3600))
    }

    @Test(arguments: [
        (
            "exit 1", CloudError.Code.accessDenied,
            "exit code 1; see its messages on standard error, and run az login"
        ),
        ("echo SECRETTEXT", .misconfigured, "did not print a JSON object with accessToken"),
        (#"echo '{"accessToken":"SECRETTEXT"}'"#, .misconfigured, "did not print expires_on"),
        (#"echo '{"accessToken":"SECRETTEXT","expires_on":1700000000}'"#, .unavailable, "had expired"),
    ])
    func failuresOfTheCommandLineAreReported(
        script: String, code: CloudError.Code, text: String
    ) async throws {
        let path = try installCommandLine(script)
        let error = await error(try credentials([:], entra: FakeTransport(script: []), path: path))
        #expect(error?.code == code)
        #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    @Test func theCommandLineCannotMeetAClaimsChallenge() async throws {
        let path = try installCommandLine("exit 3")
        let credentials = try credentials([:], entra: FakeTransport(script: []), path: path)
        let error = await error(credentials, claims: ["access_token": [:]])
        #expect(error?.message.contains("signs in again") == true)
    }

    @Test(arguments: [
        ("not a certificate", "names a file that is not PEM"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "names a file without a certificate"
        ),
    ])
    func reportsAnUnusableCertificate(content: String, problem: String) async throws {
        let file = try folder.write("client.pem", content)
        let values = Self.application.merging(["AZURE_CLIENT_CERTIFICATE_PATH": file]) { $1 }
        let error = await error(try credentials(values, entra: FakeTransport(script: [])))
        #expect(error?.code == .misconfigured)
        #expect(error?.message.hasPrefix("AZURE_CLIENT_CERTIFICATE_PATH \(problem)") == true)
    }
}
