import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import Settings
import System

/// A client of the instance metadata service, version 2 only: each request carries a token from a PUT request, which a
/// proxy that forwards only GET requests cannot get.
///
/// Source: Amazon EC2 User Guide, "Use the Instance Metadata Service to access instance metadata".
final class AWSInstanceMetadata: Sendable {
    private struct Token {
        let value: SharedSecret
        let expiresAt: ContinuousClock.Instant
    }

    private struct State {
        var token: Token?
        /// True after the first response, which proves that there is a service.
        var hasResponded = false
    }

    /// The name that messages use.
    let name: String
    private let environment: Environment
    private let client: AWSCredentialsClient
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Locked(State())

    static let disabledVariable = "AWS_EC2_METADATA_DISABLED"
    static let endpointVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    static let endpointModeVariable = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"

    /// Six hours, the maximum, in seconds.
    private static let tokenLifetime = 21_600
    /// A token is not used in its last minute.
    private static let expirationMargin = Duration.seconds(60)

    /// - Parameters:
    ///   - transport: A transport that uses no proxy and allows plain http.
    ///   - timeout: The timeout of each of two attempts.
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

    /// Returns nil if there is nothing at `path` (404).
    func get(_ path: String) async throws(AWSCredentialsError) -> SharedSecret? {
        let base = try base()
        var response = try await get(path, base, try await token(base))
        if response.head.status.code == 401 {
            // The token expired early. After a second 401 there is no further attempt.
            state.withLock { $0.token = nil }
            response = try await get(path, base, try await token(base))
        }
        switch response.head.status.code {
        case 200: return response.body
        case 404: return nil
        case let status:
            throw AWSCredentialsError(
                AWSCredentialsClient.isTransient(status) || status == 401 ? .unavailable : .misconfigured,
                "\(name): the service responds with HTTP \(status)")
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
        let requestedAt = now()
        if let token = state.withLock({ $0.token }), requestedAt < token.expiresAt { return token.value }
        let request = HTTPClientRequest(
            method: .put, url: "\(base)/latest/api/token",
            fields: [.metadataTokenLifetime: "\(Self.tokenLifetime)"])
        let response: AWSCredentialsClient.Response
        do throws(AWSCredentialsError) {
            response = try await client.send(request)
        } catch {
            throw noResponse(error)
        }
        state.withLock { $0.hasResponded = true }
        let status = response.head.status.code
        guard status == 200, let value = HeaderValue.visibleASCII(response.body.bytes) else {
            throw AWSCredentialsError(
                AWSCredentialsClient.isTransient(status) ? .unavailable : .misconfigured,
                "\(name): the service issued no token for IMDSv2 (HTTP \(status))"
                    + (status == 403 ? "; the metadata service is disabled for this instance" : ""))
        }
        let granted = response.head.fields[.metadataTokenLifetime].flatMap { Int($0) }
        let lifetime = min(max(granted ?? Self.tokenLifetime, 0), Self.tokenLifetime)
        let token = Token(value: value, expiresAt: requestedAt + .seconds(lifetime) - Self.expirationMargin)
        state.withLock { $0.token = token }
        return value
    }

    /// Describes a PUT without a response. Unless the service has responded before, this machine may not be on EC2 at all.
    private func noResponse(_ error: AWSCredentialsError) -> AWSCredentialsError {
        guard error.code == .unavailable else { return error }
        return AWSCredentialsError(
            state.withLock { $0.hasResponded } ? .unavailable : .misconfigured,
            "\(error.message); on EC2, set the instance's metadata hop limit (HttpPutResponseHopLimit) to 2 or more "
                + "for pods")
    }

    /// Returns the service's URL without a slash at the end.
    private func base() throws(AWSCredentialsError) -> String {
        if let endpoint = environment.value(Self.endpointVariable) {
            var url = endpoint[...]
            while url.last == "/" { url.removeLast() }
            let isURL = url.hasPrefix("http://") || url.hasPrefix("https://")
            guard isURL, url.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "@") }) else {
                throw AWSCredentialsError(
                    .misconfigured, "\(name): \(Self.endpointVariable) is not an http or https URL")
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
