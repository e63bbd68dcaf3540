import Cryptography
import FoundationEssentials
import Glibc
package import HTTP
import HTTPTypes
import JSON
import System

/// Sends single requests with credentials to one API server.
package struct APIConnection: Sendable {
    private let server: String
    private let transports: Transports
    private let credentials: any CredentialSource
    private let impersonation: HTTPFields
    /// The time from the call to the last byte of the response. Watches have no timeout.
    private let timeout: Duration
    private let observer: (any APIObserver)?

    package init(
        _ cluster: ClusterConfiguration, timeout: Duration = .seconds(30), observer: (any APIObserver)? = nil
    ) {
        self.init(cluster, Transports(HTTPClientConfiguration(cluster)), timeout, observer)
    }

    /// Uses a transport of the caller, whose own trust settings apply.
    package init(
        _ cluster: ClusterConfiguration, transport: any HTTPTransport, timeout: Duration = .seconds(30),
        observer: (any APIObserver)? = nil
    ) {
        self.init(cluster, Transports(fixed: transport), timeout, observer)
    }

    private init(
        _ cluster: ClusterConfiguration, _ transports: Transports, _ timeout: Duration,
        _ observer: (any APIObserver)?
    ) {
        server = cluster.server
        credentials = cluster.credentials
        impersonation = cluster.impersonation.map { HTTPFields($0) } ?? [:]
        self.transports = transports
        self.timeout = timeout
        self.observer = observer
    }

    /// Sends `request` and passes the body of a 2xx response to `read`.
    func send<Value: Sendable>(
        _ request: KubeClient.Request,
        _ read: @Sendable (UnsafeRawBufferPointer) throws(KubeError) -> Value
    ) async throws(KubeError) -> Value {
        let result = try await open(request, mode: .unary, idleTimeout: nil) { body in
            try await body.collect(upTo: request.maximumResponseSize) { bytes in
                Result { () throws(KubeError) in try read(bytes) }
            }
        }
        return try result.get()
    }

    /// Sends `request` and passes the body of a 2xx response to `handler`. Renews the credential once after a 401.
    func open<Result: Sendable>(
        _ request: KubeClient.Request, mode: HTTPClientRequest.TransferMode, idleTimeout: Duration?,
        _ handler: @Sendable (HTTPBody) async throws -> Result
    ) async throws(KubeError) -> Result {
        // The HTTP client and proxies would resolve dot segments to another URL. Names come from users.
        guard !request.path.utf8.split(separator: UInt8(ascii: "/")).contains(where: Self.isDotSegment) else {
            throw KubeError(
                .badRequest, activity: request.activity,
                message: "a name must not be . or ..; nothing was sent")
        }
        var credential = try await credential(for: request)
        var isRenewed = false
        while true {
            let id = AuditID()
            let httpRequest = httpRequest(
                for: request, id, credential, mode: mode, idleTimeout: idleTimeout)
            let timing = RequestTiming(request: request, observer: observer)
            do {
                return try await transports.transport(for: credential).withResponse(to: httpRequest) {
                    head, body in
                    timing.complete(.responded(head.status.code))
                    guard !id.isOfAnother(head.fields) else {
                        throw KubeError(
                            .transport, activity: request.activity,
                            message: "the response belongs to another request")
                    }
                    guard head.status.kind == .successful else {
                        throw await Self.failure(head, body, of: request)
                    }
                    return try await handler(body)
                }
            } catch let error as KubeError where error.code == .unauthorized && !isRenewed {
                isRenewed = true
                await credentials.invalidate(credential)
                let next = try await self.credential(for: request)
                // The server would refuse the same credential again.
                guard next.generation != credential.generation else { throw error }
                credential = next
            } catch let error as KubeError {
                throw error
            } catch let error as HTTPError {
                let code = KubeError.Code(error.code)
                timing.complete(.failed(code))
                throw KubeError(code, activity: request.activity, message: error.description)
            } catch is CancellationError {
                throw KubeError(.cancelled, activity: request.activity, message: "cancelled")
            } catch {
                throw KubeError(.malformedResponse, activity: request.activity, message: "\(error)")
            }
        }
    }

    private static func isDotSegment(_ segment: Substring.UTF8View) -> Bool {
        segment.count <= 2 && segment.allSatisfy { $0 == UInt8(ascii: ".") }
    }

    private func credential(for request: KubeClient.Request) async throws(KubeError) -> Credential {
        do {
            return try await credentials.credential()
        } catch {
            throw KubeError(.credentials, activity: request.activity, message: error.description)
        }
    }

    private func httpRequest(
        for request: KubeClient.Request, _ id: AuditID, _ credential: Credential,
        mode: HTTPClientRequest.TransferMode, idleTimeout: Duration?
    ) -> HTTPClientRequest {
        var url = server + request.path
        for (index, item) in request.query.enumerated() {
            url += (index == 0 ? "?" : "&") + item.0 + "=" + percentEncoded(item.1)
        }
        var fields = impersonation
        fields[.accept] = request.accept
        if let name = AuditID.field { fields[name] = id.description }
        var body = HTTPClientRequest.Body.none
        switch request.body {
        case .none: break
        case .bytes(let bytes, let contentType):
            fields[.contentType] = contentType
            body = .bytes(bytes)
        case .secret(let secret, let contentType):
            fields[.contentType] = contentType
            body = .secret(secret)
        }
        return HTTPClientRequest(
            method: request.method, url: url, fields: fields,
            secretFields: credential.authorization.map { [.init(name: .authorization, value: $0)] } ?? [],
            body: body, mode: mode, timeout: mode == .unary ? timeout : nil, idleTimeout: idleTimeout,
            maximumResponseBody: request.maximumResponseSize)
    }

    private static func failure(
        _ head: HTTPResponseHead, _ body: HTTPBody, of request: KubeClient.Request
    ) async -> KubeError {
        let status = await status(in: body, head.status.code, of: request)
        let delay = head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) }
        return KubeError(
            httpStatus: head.status.code, retryAfter: delay, status: status, activity: request.activity)
    }

    /// Reads the status. A response to a secret body may quote it, and is zeroed, with every copy of what may be a quotation.
    private static func status(
        in body: HTTPBody, _ code: Int, of request: KubeClient.Request
    ) async -> Status? {
        let limit = 256 * 1024
        guard request.hasSecretBody else {
            return try? JSONReader.read(Status.self, from: try await body.collect(upTo: limit))
        }
        let text = try? await body.collectSecret(upTo: limit)
        return text?.withUnsafeBytes { text in
            Status(inResponseToSecret: text, mayQuote: mayQuote(code, of: request))
        }
    }

    /// Returns whether the message may quote a part of the body, as that of a server that cannot parse it, or whose webhook
    /// returns a patch that it cannot apply. The fields of its causes describe an invalid object.
    private static func mayQuote(_ code: Int, of request: KubeClient.Request) -> Bool {
        code == 400 || code == 422 || code >= 500 && request.writesSecret
    }
}

extension KubeClient.Request {
    fileprivate var hasSecretBody: Bool {
        if case .secret = body { true } else { false }
    }
}

extension HTTPFields {
    /// Builds the impersonation headers (Kubernetes, "Authenticating", "User impersonation").
    fileprivate init(_ user: ClusterConfiguration.Impersonation) {
        self.init()
        var pairs = [("User", user.user)]
        if let uid = user.uid { pairs.append(("Uid", uid)) }
        pairs += user.groups.map { ("Group", $0) }
        for extra in user.extra {
            pairs += extra.values.map { ("Extra-\(percentEncoded(extra.key))", $0) }
        }
        for (name, value) in pairs {
            guard let name = HTTPField.Name("Impersonate-\(name)") else { continue }
            append(HTTPField(name: name, value: value))
        }
    }
}

/// The HTTP clients for a cluster. A credential with a client certificate, as an exec plugin may return it, gets its own
/// client, because a TLS connection is bound to its certificate.
final class Transports: Sendable {
    private let configuration: HTTPClientConfiguration
    private let base: any HTTPTransport
    private let latest = Locked<(generation: UInt64, transport: any HTTPTransport)?>(nil)

    init(_ configuration: HTTPClientConfiguration) {
        self.configuration = configuration
        base = CurlClient(configuration)
    }

    /// Uses `transport` for credentials without a client certificate.
    init(fixed transport: any HTTPTransport) {
        configuration = HTTPClientConfiguration()
        base = transport
    }

    func transport(for credential: Credential) -> any HTTPTransport {
        guard let certificate = credential.clientCertificate else { return base }
        return latest.withLock { latest in
            // A replaced client stays alive until its last request ends.
            if let latest, latest.generation == credential.generation { return latest.transport }
            var own = configuration
            own.clientCertificate = certificate
            let client = CurlClient(own)
            latest = (credential.generation, client)
            return client
        }
    }
}

extension HTTPClientConfiguration {
    init(_ cluster: ClusterConfiguration) {
        self.init(trust: cluster.trust, clientCertificate: cluster.clientCertificate, plainHTTP: .always)
        serverName = cluster.tlsServerName
        if let url = cluster.proxyURL { proxy = .url(url) }
        maximumResponseBody = KubeClient.maximumObjectSize
        acceptsCompression = cluster.acceptsCompression
    }
}
