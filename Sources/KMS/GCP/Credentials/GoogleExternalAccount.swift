import Cryptography
import Envelope
import HTTP
import HTTPTypes
import JSON
import Settings
import System

/// Workload Identity Federation: a token of another issuer is exchanged for one of Google (RFC 8693).
///
/// Source: AIP-4117; Security Token Service reference, `token`; google-auth 2.62 (`google.auth.identity_pool`).
struct GoogleTokenExchange: CloudTokenSource {
    let name: String
    /// The resource of the provider in the workload identity pool.
    let audience: String
    let scope: String
    let subjectTokenType: String
    /// Gets a subject token for each exchange.
    let subjectToken: @Sendable () async throws(CloudError) -> SharedSecret
    let endpoint: OAuthTokenEndpoint
    /// A client's id and secret for Basic authentication, which few identity pools need.
    var clientCredentials: HTTPClientRequest.SecretField?
    /// Further options as JSON text, for workforce pools.
    var options: String?

    static let jwtType = "urn:ietf:params:oauth:token-type:jwt"

    func token() async throws(CloudError) -> CloudToken? {
        let subject = try await subjectToken()
        var form = FormBody()
        form.append("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
        form.append("audience", audience)
        form.append("scope", scope)
        form.append("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
        form.append("subject_token", subject)
        form.append("subject_token_type", subjectTokenType)
        if let options { form.append("options", options) }
        let fields = clientCredentials.map { [$0] } ?? []
        return try await endpoint.token(form, secretFields: fields) { error in
            switch error.code {
            case "invalid_target":
                "check the audience: the pool and the provider must exist and be enabled"
            case "invalid_grant":
                "the provider rejects the subject token; check its issuer, its allowed audiences and that the token has "
                    + "not expired"
            case "unauthorized_client", "access_denied":
                "the provider's attribute condition rejects the subject token"
            default: nil
            }
        }
    }
}

/// The credential configuration of an external account: a token exchange whose subject token comes from a file or a URL.
struct GoogleExternalAccount: CloudTokenSource {
    let name: String
    private let exchange: GoogleTokenExchange

    init(
        _ file: GoogleCredentialsFile, _ context: GoogleCredentialsContext, scope: String
    ) throws(CloudError) {
        name = file.name
        let source = try GoogleSubjectTokenSource(file, context)
        let pool = file.text("workforce_pool_user_project")
        guard pool.map({ GCPKeyName.isProject($0) }) ?? true else {
            throw file.error("has a workforce_pool_user_project that is not the id of a project")
        }
        exchange = GoogleTokenExchange(
            name: file.name, audience: try file.requireText("audience"), scope: scope,
            subjectTokenType: try file.requireText("subject_token_type"),
            subjectToken: { () throws(CloudError) in try await source.token() },
            endpoint: OAuthTokenEndpoint(
                client: context.client(file.name), url: try file.requireURL("token_url")),
            clientCredentials: try Self.clientCredentials(file),
            options: pool.map { #"{"userProject":"\#($0)"}"# })
    }

    func token() async throws(CloudError) -> CloudToken? { try await exchange.token() }

    private static func clientCredentials(
        _ file: GoogleCredentialsFile
    ) throws(CloudError) -> HTTPClientRequest.SecretField? {
        guard let id = file.text("client_id") else { return nil }
        var pair = SecretBuffer()
        pair.append(Array(id.utf8))
        pair.append(":")
        pair.append(try file.requireSecret("client_secret").bytes)
        var value = SecretBuffer()
        value.append("Basic ")
        pair.withUnsafeBytes { value.appendBase64($0) }
        return .init(name: .authorization, value: SharedSecret(value.finish()))
    }
}

/// The `credential_source` of an external account.
struct GoogleSubjectTokenSource: Sendable {
    private enum Place: Sendable {
        case file(String)
        case url(CloudURL, [HTTPClientRequest.SecretField])
    }

    private let place: Place
    /// The field of the token if the content is JSON.
    private let field: String?
    private let client: CloudTokenClient

    private static let maximumSize = 256 * 1024

    init(_ file: GoogleCredentialsFile, _ context: GoogleCredentialsContext) throws(CloudError) {
        let clientName = "\(file.name), credential_source"
        guard let source = file["credential_source"], source.members != nil else {
            throw file.error("has no credential_source")
        }
        if source["environment_id"] != nil {
            throw file.error(
                "gets its token from AWS (environment_id), which is not supported; use a token of the cluster's own issuer, "
                    + "from a file")
        }
        if source["executable"] != nil {
            throw file.error(
                "runs an executable, which is not supported: a credential file must not start programs; let a sidecar "
                    + "write the token to a file")
        }
        if source["certificate"] != nil {
            throw file.error(
                "uses an X.509 certificate, which is not supported; use a token from a file or a URL")
        }
        switch (file.text("file", in: source), file.text("url", in: source)) {
        case (let path?, nil):
            place = .file(path)
            client = context.client(clientName)
        case (nil, let url?):
            guard let valid = CloudURL(url, plainHTTP: .loopbackOrLinkLocal) else {
                throw file.error(
                    "has a credential_source with a url that is neither https nor on this node (loopback or 169.254.0.0/16)"
                )
            }
            place = .url(valid, try Self.fields(source["headers"], file))
            client =
                valid.text.hasPrefix("https://")
                ? context.client(clientName) : context.localClient(clientName)
        default: throw file.error("has a credential_source without either file or url")
        }
        let format = source["format"]
        switch format.flatMap({ file.text("type", in: $0) }) ?? "text" {
        case "text": field = nil
        case "json": field = try file.requireText("subject_token_field_name", in: format)
        case let type: throw file.error("has a credential_source of the unknown format \(type.sanitizedName)")
        }
    }

    func token() async throws(CloudError) -> SharedSecret {
        let content = try await content()
        let text: SharedSecret?
        if let field {
            text = (try? JSONValue(parsing: content.bytes))?[field]?.nonEmptySecret
        } else {
            text = content
        }
        guard let token = text.flatMap({ HeaderValue.visibleASCII($0.bytes) }) else {
            throw CloudError(
                .misconfigured,
                "\(client.name): the content is not a token"
                    + (field.map { ", or has no field \($0.sanitizedName)" } ?? ", which is one word"))
        }
        return token
    }

    private func content() async throws(CloudError) -> SharedSecret {
        switch place {
        case .file(let path):
            do throws(FileError) {
                return SharedSecret(try SecretBytes(contentsOfFile: path, limit: Self.maximumSize))
            } catch {
                throw CloudError(
                    .misconfigured, "\(client.name): the file cannot be read: \(error.redactedDescription)")
            }
        case .url(let url, let fields):
            let response = try await client.send(HTTPClientRequest(url: url.text, secretFields: fields))
            let status = response.head.status.code
            guard status == 200 else {
                throw CloudError(
                    RetryingTransport.transientStatuses.contains(status) ? .unavailable : .misconfigured,
                    "\(client.name): the server responds with HTTP \(status)",
                    retryAfter: response.head.fields.retryDelay)
            }
            return response.body
        }
    }

    private static func fields(
        _ headers: JSONValue?, _ file: GoogleCredentialsFile
    ) throws(CloudError) -> [HTTPClientRequest.SecretField] {
        var fields: [HTTPClientRequest.SecretField] = []
        for (name, value) in headers?.members ?? [] {
            guard let name = HTTPField.Name(name), let text = value.nonEmptySecret,
                let value = HeaderValue.printableASCII(text.bytes)
            else { throw file.error("has a credential_source with headers that are not valid") }
            fields.append(.init(name: name, value: value))
        }
        return fields
    }
}
