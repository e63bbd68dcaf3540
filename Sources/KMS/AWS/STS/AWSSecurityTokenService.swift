import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import System

/// The validated parameters of a role to assume.
struct AWSAssumedRole: Equatable, Sendable {
    let arn: String
    let sessionName: String
    var externalID: String?
    /// The duration of the session in seconds. STS's default is an hour.
    var duration: Int?

    static let defaultSessionName = "secrets-bridge"

    /// - Parameter source: The name of the settings in messages.
    /// - Throws: `AWSCredentialsError` if STS would reject a parameter.
    init(
        arn: String, sessionName: String?, externalID: String? = nil, duration: String? = nil,
        from source: String
    ) throws(AWSCredentialsError) {
        func misconfigured(_ problem: String) -> AWSCredentialsError {
            AWSCredentialsError(.misconfigured, "\(source): \(problem)")
        }
        guard arn.hasPrefix("arn:"), (20...2048).contains(arn.utf8.count),
            arn.utf8.allSatisfy({ 0x21...0x7E ~= $0 })
        else { throw misconfigured("the role is not of the form arn:aws:iam::<account>:role/<name>") }
        let name = sessionName ?? Self.defaultSessionName
        guard (2...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isAllowedInSessionName) else {
            throw misconfigured("the role session name is not 2 to 64 of A-Z a-z 0-9 _ + = , . @ -")
        }
        self.arn = arn
        self.sessionName = name
        self.externalID = externalID
        guard let duration else { return }
        guard let seconds = Int(duration), (900...43_200).contains(seconds) else {
            throw misconfigured("duration_seconds is not a number from 900 to 43200")
        }
        self.duration = seconds
    }

    private static func isAllowedInSessionName(_ byte: UInt8) -> Bool {
        byte.isASCIILetterOrDigit || "_+=,.@-".utf8.contains(byte)
    }
}

/// A client of STS that assumes roles with a web identity token or with other credentials.
///
/// Source: AWS Security Token Service API Reference, "AssumeRole", "AssumeRoleWithWebIdentity", "Common errors".
struct AWSSecurityTokenService: Sendable {
    let client: AWSCredentialsClient
    /// `https://sts.eu-central-1.amazonaws.com/`
    let endpoint: String
    let region: AWSRegion

    private static let timeout = Duration.seconds(5)

    init(name: String, transport: any HTTPTransport, endpoint: String, region: AWSRegion) {
        client = AWSCredentialsClient(
            name: name, transport: transport, attempts: 3, timeout: Self.timeout,
            remedy: "check the network policy, the proxy (HTTPS_PROXY, NO_PROXY) and AWS_REGION")
        self.endpoint = endpoint
        self.region = region
    }

    /// Sends an unsigned request: the token authenticates it.
    func assume(_ role: AWSAssumedRole, webIdentity token: SharedSecret) async throws(AWSCredentialsError)
        -> AWSCredentials
    {
        var form = Self.form("AssumeRoleWithWebIdentity", role)
        form.append("WebIdentityToken", token)
        let response = try await client.send(request(form.finish()), isTransient: Self.isTransient)
        return try STSResponse(response, "AssumeRoleWithWebIdentity", client.name).credentials(
            for: role,
            remedyIfDenied:
                "check that its trust policy allows this service account (sub) and audience (aud) and names "
                + "the cluster's OIDC provider")
    }

    /// Sends a signed request. If STS rejects its date, it is signed once more with STS's time.
    func assume(
        _ role: AWSAssumedRole, with credentials: AWSCredentials, date: @Sendable () -> Date
    ) async throws(AWSCredentialsError) -> AWSCredentials {
        var form = Self.form("AssumeRole", role)
        if let externalID = role.externalID { form.append("ExternalId", externalID) }
        let request = request(form.finish())
        var skew = AWSClockSkew()
        var stsResponse: STSResponse
        repeat {
            let signed = try sign(request, with: credentials, at: date() + skew.offset)
            let response = try await client.send(signed, isTransient: Self.isTransient)
            stsResponse = STSResponse(response, "AssumeRole", client.name)
        } while skew.offset == 0 && stsResponse.updateClockSkew(&skew, now: date())
        return try stsResponse.credentials(
            for: role,
            remedyIfDenied: "check that its trust policy allows sts:AssumeRole for the source credentials"
                + (role.externalID == nil
                    ? ", and whether it requires an external id" : " and this external id"))
    }

    private func sign(
        _ request: HTTPClientRequest, with credentials: AWSCredentials, at date: Date
    ) throws(AWSCredentialsError) -> HTTPClientRequest {
        let signer = SigV4Signer(region: region.name, service: AWSService.sts.signingName)
        do throws(CryptoError) {
            return try signer.sign(request, with: credentials, at: date)
        } catch {
            throw AWSCredentialsError(.unavailable, "\(client.name): the request cannot be signed: \(error)")
        }
    }

    private static func form(_ action: String, _ role: AWSAssumedRole) -> FormBody {
        var form = FormBody()
        form.append("Action", action)
        form.append("Version", "2011-06-15")
        form.append("RoleArn", role.arn)
        form.append("RoleSessionName", role.sessionName)
        if let duration = role.duration { form.append("DurationSeconds", "\(duration)") }
        return form
    }

    private func request(_ body: SharedSecret) -> HTTPClientRequest {
        HTTPClientRequest(
            method: .post, url: endpoint,
            fields: [
                .contentType: "application/x-www-form-urlencoded; charset=utf-8", .accept: "application/xml",
            ],
            body: .secret(body))
    }

    /// Returns true for a transient error, which STS may send with status 400.
    private static func isTransient(_ response: AWSCredentialsClient.Response) -> Bool {
        guard response.head.status.code == 400 || response.head.status.code == 403,
            let code = FlatXML(response.body.bytes).flatMap({ STSResponse.errorCode(in: $0) })
        else { return false }
        return STSResponse.isTransient(code)
    }
}
