import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON

/// One request to Vault, without its token.
struct VaultRequest: Sendable {
    var method = HTTPRequest.Method.post
    /// The path below `/v1/`, of validated names: `transit/decrypt/sb-wrap`.
    let path: String
    var body: JSONValue?
    /// The time from the call to the last byte of the response.
    var timeout = Duration.seconds(10)
    /// The operation on data keys and their number, for the observer. Nil if the request does not concern data keys.
    var keyOperation: (operation: KeyManagerOperation, items: Int)?
}

/// The address of Vault and the namespace. Described for messages: `Vault at https://vault:8200 (namespace team-a)`.
struct VaultEndpoint: Sendable, CustomStringConvertible {
    let address: ServerAddress
    let namespace: String?

    var description: String {
        "Vault at \(address.origin)" + (namespace.map { " (namespace \($0))" } ?? "")
    }
}

/// Sends single requests to one Vault. Each has a deadline. None is retried, except when a standby redirects to the address of
/// the settings, behind which the next request may reach the active node.
struct VaultClient: Sendable {
    let endpoint: VaultEndpoint
    private let transport: any HTTPTransport
    private static let maximumResponseSize = 8 << 20
    private static let maximumRedirects = 2

    init(_ endpoint: VaultEndpoint, transport: any HTTPTransport) {
        self.endpoint = endpoint
        self.transport = transport
    }

    /// Returns the response, whatever its status.
    func send(_ request: VaultRequest, token: SharedSecret?) async throws(VaultError) -> VaultResponse {
        let httpRequest = httpRequest(for: request, token)
        var redirects = 0
        while true {
            let response: VaultResponse
            do throws(HTTPError) {
                let (head, body) = try await transport.sendCollectingSecret(
                    httpRequest, upTo: Self.maximumResponseSize)
                response = VaultResponse(head, body: body.bytes)
            } catch {
                throw VaultError(error, endpoint)
            }
            // The Location is compared and never used: a request goes only to the address of the settings.
            guard response.status == 307 || response.status == 308, redirects < Self.maximumRedirects,
                let target = response.headerFields[.location], endpoint.address.hasSameOrigin(as: target)
            else { return response }
            redirects += 1
        }
    }

    /// Returns a response of status 2xx.
    ///
    /// - Throws: The meaning of any other status.
    func sendExpectingSuccess(
        _ request: VaultRequest, token: SharedSecret?
    ) async throws(VaultError) -> VaultResponse {
        let response = try await send(request, token: token)
        guard response.isSuccess else { throw response.error(for: request.path, at: endpoint) }
        return response
    }

    private func httpRequest(for request: VaultRequest, _ token: SharedSecret?) -> HTTPClientRequest {
        var fields: HTTPFields = [.vaultRequest: "true", .accept: "application/json"]
        fields[.vaultNamespace] = endpoint.namespace
        var body = HTTPClientRequest.Body.none
        if let value = request.body {
            fields[.contentType] = "application/json"
            body = .secret(SharedSecret(JSONWriter.write([value])))
        }
        return HTTPClientRequest(
            method: request.method, url: "\(endpoint.address.url)/v1/\(request.path)", fields: fields,
            secretFields: token.map { [.init(name: .vaultToken, value: $0)] } ?? [], body: body,
            timeout: request.timeout)
    }
}

/// Sends requests with a token. A 403 does not tell whether a policy denies the request or the token is invalid: such a request
/// is repeated once if there may be a newer token.
struct VaultSession: Sendable {
    let client: VaultClient
    let tokens: any VaultTokenSource

    var endpoint: VaultEndpoint { client.endpoint }

    /// Returns the response, whatever its status.
    func send(_ request: VaultRequest) async throws(VaultError) -> VaultResponse {
        let token = try await tokens.token()
        let response = try await client.send(request, token: token.value)
        guard response.status == 403 else {
            tokens.recordSuccess(token, at: request.path)
            return response
        }
        // A 403 of a proxy before Vault does not concern the token.
        guard response.isFromVault else { return response }
        guard tokens.recordDenial(token, at: request.path) else { return response }
        let newToken = try await tokens.token()
        guard newToken.generation != token.generation else { return response }
        let second = try await client.send(request, token: newToken.value)
        if second.status != 403 { tokens.recordSuccess(newToken, at: request.path) }
        return second
    }
}

extension VaultError {
    fileprivate init(_ error: HTTPError, _ endpoint: VaultEndpoint) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unreachable
            case .protocolError: .serverError
            default: .misconfigured
            }
        let remedy: String? =
            switch error.code {
            case .certificateUntrusted, .caInvalid:
                "set \(VaultVariables.caFile) to the CA's PEM file"
            case .certificateNameMismatch:
                "use a name of the certificate in \(VaultVariables.address), or set \(VaultVariables.tlsServerName) to one"
            case .clientCertificateRequired, .clientCertificateInvalid:
                "set \(VaultVariables.clientCertificate) and \(VaultVariables.clientKey) to PEM files"
            // A server of TLS 1.3 asks for the certificate after the handshake, and libcurl reports a closed connection.
            case .connectionClosed, .tlsFailed:
                "if Vault requires a client certificate, set \(VaultVariables.clientCertificate) and "
                    + VaultVariables.clientKey
            case .nameNotResolved, .connectFailed, .connectTimedOut:
                "check \(VaultVariables.address) and that Vault runs"
            default: nil
            }
        self.init(code, "\(endpoint) cannot be reached: \(error)" + (remedy.map { "; \($0)" } ?? ""))
    }
}

extension HTTPField.Name {
    fileprivate static let vaultToken = literal("X-Vault-Token")
    fileprivate static let vaultRequest = literal("X-Vault-Request")
    fileprivate static let vaultNamespace = literal("X-Vault-Namespace")

    private static func literal(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is not a field name") }
        return name
    }
}
