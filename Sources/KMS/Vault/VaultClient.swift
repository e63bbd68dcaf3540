import Cryptography
import HTTP
import HTTPTypes
import YAML

/// Sends single requests to one Vault. Each has a deadline, and none is repeated, except where a standby points
/// back to the address we were given.
struct VaultClient: Sendable {
    let endpoint: VaultEndpoint
    private let transport: any HTTPTransport
    private static let maximumAnswer = 8 << 20
    private static let maximumRedirects = 2

    init(_ location: VaultEndpoint, transport: any HTTPTransport) {
        self.endpoint = location
        self.transport = transport
    }

    /// The answer, whatever its status.
    func send(_ call: VaultRequest, token: SharedSecret?) async throws(VaultError) -> VaultResponse {
        let request = request(for: call, token)
        var redirects = 0
        while true {
            let answer: VaultResponse
            do throws(HTTPError) {
                let (head, body) = try await transport.sendCollectingSecret(request, upTo: Self.maximumAnswer)
                answer = VaultResponse(head, body: body.bytes)
            } catch {
                throw VaultError(error, endpoint)
            }
            // The Location is compared and never used: a request goes only where the settings say.
            guard answer.status == 307 || answer.status == 308, redirects < Self.maximumRedirects,
                let target = answer.headerFields[.location], endpoint.address.hasSameOrigin(of: target)
            else { return answer }
            redirects += 1
        }
    }

    /// The answer when it is a success.
    func sendExpectingSuccess(_ call: VaultRequest, token: SharedSecret?) async throws(VaultError)
        -> VaultResponse
    {
        let answer = try await send(call, token: token)
        guard 200..<300 ~= answer.status else { throw answer.error(call.path, at: endpoint) }
        return answer
    }

    private func request(for call: VaultRequest, _ token: SharedSecret?) -> HTTPClientRequest {
        var fields: HTTPFields = [.vaultRequest: "true", .accept: "application/json"]
        fields[.vaultNamespace] = endpoint.namespace
        var body = HTTPClientRequest.Body.none
        if let value = call.body {
            fields[.contentType] = "application/json"
            body = .secret(SharedSecret(JSONWriter.write([value])))
        }
        return HTTPClientRequest(
            method: call.method, url: "\(endpoint.address.url)/v1/\(call.path)", fields: fields,
            secretFields: token.map { [.init(name: .vaultToken, value: $0)] } ?? [], body: body,
            timeout: call.timeout)
    }
}

extension VaultError {
    fileprivate init(_ error: HTTPError, _ location: VaultEndpoint) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case _ where error.isRetryable: .unreachable
            case .protocolError: .serverError
            default: .misconfigured
            }
        let advice: String? =
            switch error.code {
            case .certificateUntrusted, .caInvalid:
                "\(VaultVariables.caFile) names the CA's PEM file"
            case .certificateNameMismatch:
                "\(VaultVariables.address) must use a name the certificate has, or \(VaultVariables.tlsServerName) name it"
            case .clientCertificateRequired, .clientCertificateInvalid:
                "\(VaultVariables.clientCertificate) and \(VaultVariables.clientKey) name the PEM files"
            // TLS 1.3 asks for it after the handshake, and libcurl sees a connection that ends.
            case .connectionClosed, .tlsFailed:
                "if Vault asks for a client certificate, set \(VaultVariables.clientCertificate) and \(VaultVariables.clientKey)"
            case .nameNotResolved, .connectFailed, .connectTimedOut:
                "check \(VaultVariables.address) and that Vault runs"
            default: nil
            }
        self.init(code, "\(location) cannot be asked: \(error)" + (advice.map { "; \($0)" } ?? ""))
    }
}

extension HTTPField.Name {
    fileprivate static let vaultToken = literal("X-Vault-Token")
    fileprivate static let vaultRequest = literal("X-Vault-Request")
    fileprivate static let vaultNamespace = literal("X-Vault-Namespace")

    private static func literal(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is no field name") }
        return name
    }
}
