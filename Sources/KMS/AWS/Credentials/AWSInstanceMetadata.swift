import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import System

/// The instance metadata service, version 2 alone: each request carries a token that a PUT gave, which what
/// only forwards GETs cannot get.
///
/// Source: Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
final class AWSInstanceMetadata: Sendable {
    private struct Token {
        let value: SharedSecret
        let endsAt: ContinuousClock.Instant
    }

    private struct State {
        var token: Token?
        /// Since the service has answered once, it is known to be there.
        var hasAnswered = false
    }

    /// As messages call it.
    let name: String
    private let environment: Environment
    private let client: AWSCredentialsClient
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Locked(State())

    static let disabledVariable = "AWS_EC2_METADATA_DISABLED"
    static let endpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    static let endpointModeVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"

    /// Six hours, the longest there is.
    private static let tokenLifetime = 21_600
    /// A token is not used in its last minute.
    private static let reserve = Duration.seconds(60)

    /// `transport`: without a proxy, plain http allowed. `timeout`: of one of two attempts.
    init(
        _ environment: Environment, transport: any HTTPTransport, name: String = "instance metadata",
        timeout: Duration = .seconds(1), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.name = name
        self.environment = environment
        self.now = now
        client = AWSCredentialsClient(name: name, transport: transport, attempts: 2, timeout: timeout)
    }

    var isDisabled: Bool { environment.value(Self.disabledVariable)?.lowercased() == "true" }

    /// What is at `path`; nil: nothing (404).
    func get(_ path: String) async throws(AWSCredentialsError) -> SharedSecret? {
        let base = try base()
        var response = try await get(path, base, try await token(base))
        if response.head.status.code == 401 {
            // The token has ended before its time; a second 401 is the answer.
            state.withLock { $0.token = nil }
            response = try await get(path, base, try await token(base))
        }
        switch response.head.status.code {
        case 200: return response.body
        case 404: return nil
        case let status:
            throw AWSCredentialsError(
                AWSCredentialsClient.isTransient(status) || status == 401 ? .unavailable : .misconfigured,
                "\(name): the service answers with HTTP \(status)")
        }
    }

    private func get(
        _ path: String, _ base: String, _ token: SharedSecret
    ) async throws(AWSCredentialsError) -> AWSCredentialsClient.Response {
        try await client.send(
            HTTPClientRequest(
                url: "\(base)/\(path)", secretFields: [.init(name: .metadataToken, value: token)]))
    }

    private func token(_ base: String) async throws(AWSCredentialsError) -> SharedSecret {
        let asked = now()
        if let token = state.withLock({ $0.token }), asked < token.endsAt { return token.value }
        let request = HTTPClientRequest(
            method: .put, url: "\(base)/latest/api/token",
            fields: [.metadataTokenLifetime: "\(Self.tokenLifetime)"])
        let response: AWSCredentialsClient.Response
        do throws(AWSCredentialsError) {
            response = try await client.send(request)
        } catch {
            throw silence(error)
        }
        state.withLock { $0.hasAnswered = true }
        let status = response.head.status.code
        guard status == 200, let value = HeaderValue.visibleASCII(response.body.bytes) else {
            throw AWSCredentialsError(
                AWSCredentialsClient.isTransient(status) ? .unavailable : .misconfigured,
                "\(name): no token for IMDSv2 (HTTP \(status))"
                    + (status == 403 ? "; the metadata service is turned off for this instance" : ""))
        }
        let said = response.head.fields[.metadataTokenLifetime].flatMap { Int($0) }
        let lifetime = min(max(said ?? Self.tokenLifetime, 0), Self.tokenLifetime)
        let token = Token(value: value, endsAt: asked + .seconds(lifetime) - Self.reserve)
        state.withLock { $0.token = token }
        return value
    }

    /// Nobody has answered the PUT. Whether there is an instance at all, nobody can tell.
    private func silence(_ error: AWSCredentialsError) -> AWSCredentialsError {
        guard error.code == .unavailable else { return error }
        return AWSCredentialsError(
            state.withLock { $0.hasAnswered } ? .unavailable : .misconfigured,
            "\(error.message); on EC2, a pod needs an instance whose metadata hop limit is 2 or more "
                + "(HttpPutResponseHopLimit)")
    }

    /// Without a slash at the end.
    private func base() throws(AWSCredentialsError) -> String {
        if let endpoint = environment.value(Self.endpointVariable) {
            var url = endpoint[...]
            while url.last == "/" { url.removeLast() }
            let isURL = url.hasPrefix("http://") || url.hasPrefix("https://")
            guard isURL, url.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "@") }) else {
                throw AWSCredentialsError(
                    .misconfigured, "\(name): \(Self.endpointVariable) is no http or https URL")
            }
            return String(url)
        }
        switch environment.value(Self.endpointModeVariable)?.lowercased() {
        case nil, "ipv4": return "http://169.254.169.254"
        case "ipv6": return "http://[fd00:ec2::254]"
        case .some:
            throw AWSCredentialsError(
                .misconfigured, "\(name): \(Self.endpointModeVariable) is neither IPv4 nor IPv6")
        }
    }
}

extension HTTPField.Name {
    fileprivate static let metadataToken = literal("X-aws-ec2-metadata-token")
    fileprivate static let metadataTokenLifetime = literal("X-aws-ec2-metadata-token-ttl-seconds")

    private static func literal(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
