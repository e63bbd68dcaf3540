import Concurrency
import Cryptography
import HTTP
import HTTPTypes
import Settings
import System

/// The managed identity of this machine, from the instance metadata service.
///
/// Source: "How to use managed identities for Azure resources on an Azure VM to acquire an access token".
final class AzureManagedIdentity: Sendable {
    let name = "managed identity"
    private let environment: Environment
    private let transport: any HTTPTransport
    private let backoff: Backoff
    /// True after the first token, which proves that there is an identity.
    private let hasIdentity = Locked(false)

    static let endpointVariable = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
    private static let address = "http://169.254.169.254"
    /// 404: the identity is not assigned yet; 410: the service is being upgraded, for up to 70 seconds.
    private static let transientStatuses = RetryingTransport.transientStatuses.union([404, 410])
    private static let halvedLifetime = Duration.seconds(2 * 3600)

    /// - Parameter transport: A transport that uses no proxy and allows plain http.
    init(
        _ environment: Environment, transport: any HTTPTransport,
        backoff: Backoff = Backoff(base: .milliseconds(800), maximum: .seconds(5))
    ) {
        self.environment = environment
        self.transport = transport
        self.backoff = backoff
    }

    /// The result of asking for a token.
    enum Outcome: Sendable {
        case token(CloudToken)
        /// This machine has no managed identity, or no metadata service.
        case unavailable(CloudError)
    }

    /// - Parameter isLast: True if no other source follows, so that it is worth to wait longer for the service.
    func token(for request: AzureTokenRequest, isLast: Bool) async throws(CloudError) -> Outcome {
        var url = "\(try base())/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
        url += percentEncoded(request.resource)
        if let clientID = environment.value(AzureApplication.clientVariable) {
            url += "&client_id=\(percentEncoded(clientID))"
        }
        let expectsService = isLast || hasIdentity.withLock { $0 }
        let client = CloudTokenClient(
            name: name,
            transport: RetryingTransport(
                transport: transport, attempts: expectsService ? 4 : 1,
                timeout: .seconds(expectsService ? 3 : 1), backoff: backoff))
        let response: CloudTokenClient.Response
        do throws(CloudError) {
            response = try await client.send(
                HTTPClientRequest(url: url, fields: [.metadata: "true", .accept: "application/json"])
            ) { Self.isTransient($0.head.status.code) }
        } catch {
            guard !hasIdentity.withLock({ $0 }), error.code != .cancelled else { throw error }
            return .unavailable(error)
        }
        let status = response.head.status.code
        guard 200..<300 ~= status else { return try failure(status, response) }
        var token = try OAuthTokenEndpoint.token(in: response.body, from: name)
        // The service returns the same token until shortly before its end; a long-lived one is replaced half-way.
        if token.refreshAfter == nil, let lifetime = token.lifetime, lifetime >= Self.halvedLifetime {
            token.refreshAfter = lifetime / 2
        }
        hasIdentity.withLock { $0 = true }
        return .token(token)
    }

    private func failure(
        _ status: Int, _ response: CloudTokenClient.Response
    ) throws(CloudError) -> Outcome {
        let retryAfter = response.head.fields.retryDelay
        if [400, 403, 404].contains(status), !hasIdentity.withLock({ $0 }) {
            return .unavailable(
                CloudError(
                    status == 404 ? .unavailable : .misconfigured,
                    "\(name): this machine has no such identity (HTTP \(status)); assign one, and set "
                        + "\(AzureApplication.clientVariable) if it has several",
                    retryAfter: retryAfter))
        }
        throw CloudError(
            Self.isTransient(status) ? .unavailable : .misconfigured,
            "\(name): the metadata service responds with HTTP \(status)", retryAfter: retryAfter)
    }

    private static func isTransient(_ status: Int) -> Bool {
        status >= 500 || transientStatuses.contains(status)
    }

    /// Returns the service's URL without a slash at the end.
    private func base() throws(CloudError) -> String {
        guard let text = environment.value(Self.endpointVariable) else { return Self.address }
        guard let url = CloudURL(text, plainHTTP: .loopbackOrLinkLocal) else {
            throw CloudError(
                .misconfigured,
                "\(name): \(Self.endpointVariable) is not an http URL of this machine, for example: \(Self.address)"
            )
        }
        return URLPath.trimmingTrailingSlashes(url.text)
    }
}

/// The credentials that need no settings: the managed identity of this machine, or else the user of the Azure command line.
///
/// A workstation has no metadata service. If the command line is installed, the service gets one short try.
struct AzureImplicitCredential: AzureCredential {
    let name = "managed identity, Azure CLI"
    let isImplicit = true
    private let managedIdentity: AzureManagedIdentity
    private let commandLine: AzureCommandLine

    init(_ context: AzureCredentialsContext) {
        managedIdentity = AzureManagedIdentity(context.environment, transport: context.localTransport)
        commandLine = AzureCommandLine(environment: context.childEnvironment, clock: context.clock)
    }

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        let program = commandLine.program()
        switch try await managedIdentity.token(for: request, isLast: program == nil) {
        case .token(let token): return token
        case .unavailable(let error):
            guard let program else {
                throw CloudError(
                    error.code, "\(error.message), and the Azure command line (az) is not installed",
                    retryAfter: error.retryAfter)
            }
            return try await commandLine.token(for: request, program)
        }
    }
}

extension HTTPField.Name {
    /// The service rejects requests without this field, which a browser or a proxy would not send.
    fileprivate static let metadata = HTTPField.Name("Metadata") ?? .accept
}

extension URLPath {
    fileprivate static func trimmingTrailingSlashes(_ text: String) -> String {
        var rest = text[...]
        while rest.last == "/" { rest.removeLast() }
        return String(rest)
    }
}
