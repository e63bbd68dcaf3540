import Concurrency
import Cryptography
import HTTP
import HTTPTypes
import JSON
import Settings

/// Sends the requests of one source of tokens.
struct CloudTokenClient: Sendable {
    typealias Response = RetryingTransport.Response

    /// The source's name in messages.
    let name: String
    let transport: RetryingTransport
    /// The remedy that messages name if the server does not respond.
    var remedy: String?

    /// - Parameter isTransient: Returns true for a response that is worth another attempt.
    /// - Returns: The last response, with any status.
    func send(
        _ request: HTTPClientRequest,
        isTransient: (Response) -> Bool = {
            RetryingTransport.transientStatuses.contains($0.head.status.code)
        }
    ) async throws(CloudError) -> Response {
        do throws(HTTPError) {
            return try await transport.send(request, isTransient: isTransient)
        } catch {
            let code: CloudError.Code =
                switch error.code {
                case .cancelled: .cancelled
                case _ where error.isRetryable: .unavailable
                case .protocolError, .responseTooLarge: .unavailable
                default: .misconfigured
                }
            throw CloudError(code, "\(name): \(error)" + (remedy.map { "; \($0)" } ?? ""))
        }
    }
}

/// A token endpoint (RFC 6749, section 3.2), for all grants: client credentials, JWT assertions (RFC 7523), token exchange (RFC
/// 8693), refresh tokens.
struct OAuthTokenEndpoint: Sendable {
    let client: CloudTokenClient
    let url: CloudURL

    /// Requests a token.
    ///
    /// - Parameters:
    ///   - fields: The header fields besides those of the form, for example a client's Basic credentials.
    ///   - remedy: Returns the remedy for an error that the endpoint reports, or nil for a general one.
    func token(
        _ form: consuming FormBody, secretFields: [HTTPClientRequest.SecretField] = [],
        remedy: (OAuthError) -> String? = { _ in nil }
    ) async throws(CloudError) -> CloudToken {
        let request = HTTPClientRequest(
            method: .post, url: url.text,
            fields: [.contentType: "application/x-www-form-urlencoded", .accept: "application/json"],
            secretFields: secretFields, body: .secret(form.finish()))
        let response = try await client.send(request) { response in
            RetryingTransport.transientStatuses.contains(response.head.status.code)
                || OAuthError(response)?.isTransient == true
        }
        guard 200..<300 ~= response.head.status.code else { throw error(response, remedy) }
        return try Self.token(in: response.body, from: client.name)
    }

    /// Reads a response of the form `{"access_token": "…", "expires_in": 3599}`. Some servers send the numbers as strings.
    static func token(in body: SharedSecret, from name: String) throws(CloudError) -> CloudToken {
        guard let json = try? JSONValue(parsing: body.bytes), json.members != nil else {
            throw CloudError(.unavailable, "\(name): the response is not a JSON object")
        }
        guard let text = json["access_token"]?.nonEmptySecret,
            let value = HeaderValue.visibleASCII(text.bytes)
        else { throw CloudError(.unavailable, "\(name): the response has no access_token") }
        if let type = json["token_type"]?.string, type.lowercased() != "bearer" {
            throw CloudError(.misconfigured, "\(name): the token is not a bearer token")
        }
        func seconds(_ key: String) -> Duration? {
            guard let number = json[key]?.double ?? json[key]?.string.flatMap({ Double($0) }),
                number.isFinite, number > 0
            else { return nil }
            return .seconds(min(number, maximumLifetime))
        }
        guard let lifetime = seconds("expires_in") else {
            throw CloudError(.unavailable, "\(name): the response has no expires_in")
        }
        return CloudToken(value: value, lifetime: lifetime, refreshAfter: seconds("refresh_in"))
    }

    /// A year in seconds. Longer lifetimes are cut off, so that they can be added to any instant.
    static let maximumLifetime = 365 * 86_400.0

    private func error(_ response: CloudTokenClient.Response, _ remedy: (OAuthError) -> String?) -> CloudError
    {
        let status = response.head.status.code
        guard let error = OAuthError(response) else {
            let isTransient = RetryingTransport.transientStatuses.contains(status)
            return CloudError(
                isTransient ? .unavailable : .misconfigured,
                "\(client.name): the token endpoint responds with HTTP \(status)"
                    + (isTransient ? "" : " and without an OAuth 2.0 error; check its URL"),
                retryAfter: response.head.fields.retryDelay, concernsAllRequests: true)
        }
        return CloudError(
            error.cloudCode,
            "\(client.name): the token endpoint responds with \(error); \(remedy(error) ?? error.remedy)",
            retryAfter: response.head.fields.retryDelay, concernsAllRequests: true)
    }
}

/// An error response of a token endpoint (RFC 6749, section 5.2). Its description is not kept: it can quote the request.
struct OAuthError: Sendable, Equatable, CustomStringConvertible {
    let status: Int
    /// The error code, such as `invalid_grant`.
    let code: String
    /// Microsoft Entra's own codes, such as 7000215 of `AADSTS7000215`.
    let numbers: [Int]
    /// `claims` of a response that asks for a token with more claims. Not for messages.
    let claims: String?

    /// Returns nil if the response has no error code that is safe to show.
    init?(_ response: CloudTokenClient.Response) {
        guard let json = try? JSONValue(parsing: response.body.bytes), let code = json["error"]?.string,
            (1...64).contains(code.utf8.count),
            code.utf8.allSatisfy({
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: "_")
            })
        else { return nil }
        status = response.head.status.code
        self.code = code
        numbers = (json["error_codes"]?.elements ?? []).prefix(8).compactMap(\.int)
        claims = json["claims"]?.string
    }

    var isTransient: Bool {
        RetryingTransport.transientStatuses.contains(status)
            || ["temporarily_unavailable", "server_error", "slow_down"].contains(code)
    }

    var cloudCode: CloudError.Code {
        if isTransient { return .unavailable }
        switch code {
        case "invalid_client", "invalid_grant", "unauthorized_client", "access_denied",
            "interaction_required":
            return .accessDenied
        default: return status == 401 || status == 403 ? .accessDenied : .misconfigured
        }
    }

    /// `HTTP 400 invalid_grant (AADSTS700016)`
    var description: String {
        let codes = numbers.map { "AADSTS\($0)" }.joined(separator: ", ")
        return "HTTP \(status) \(code)" + (codes.isEmpty ? "" : " (\(codes))")
    }

    var remedy: String {
        switch code {
        case _ where isTransient: "the request will be retried"
        case "invalid_client": "the client id or its credential is wrong or expired; replace it"
        case "invalid_grant":
            "the credential is expired, revoked or signed for another audience; check it and this machine's clock"
        case "unauthorized_client": "the client may not use this grant; allow it"
        case "invalid_scope": "the scope is not available to this identity"
        default: "check the identity's settings"
        }
    }
}
