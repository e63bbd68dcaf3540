import FoundationEssentials
import Glibc
package import HTTP
import HTTPTypes
import JSON
import System

/// Sends single requests to one API server, with its credentials.
package struct APIConnection: Sendable {
    private let server: String
    private let transports: Transports
    private let credentials: any CredentialSource
    private let impersonation: HTTPFields
    /// From the call to the last byte of its answer; watches have none.
    private let timeout: Duration
    private let observer: (any APIObserver)?

    package init(
        _ cluster: ClusterConfiguration, timeout: Duration = .seconds(30), observer: (any APIObserver)? = nil
    ) {
        self.init(cluster, Transports(HTTPClientConfiguration(cluster)), timeout, observer)
    }

    /// Through a transport of the caller's, which brings its own trust.
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

    /// Sends `call` and shows the body of a 2xx response to `read`.
    func send<Value: Sendable>(
        _ call: KubeClient.Request, _ read: @Sendable (UnsafeRawBufferPointer) throws(KubeError) -> Value
    ) async throws(KubeError) -> Value {
        let result = try await open(call, lane: .unary, idleTimeout: nil) { body in
            try await body.collect(upTo: call.maximumResponseSize) { bytes in
                Result { () throws(KubeError) in try read(bytes) }
            }
        }
        return try result.get()
    }

    /// Sends `call` and hands over the body of a 2xx response. A 401 renews the credential, once.
    func open<Result: Sendable>(
        _ call: KubeClient.Request, lane: HTTPClientRequest.TransferMode, idleTimeout: Duration?,
        _ handler: @Sendable (HTTPBody) async throws -> Result
    ) async throws(KubeError) -> Result {
        // A URL with dot segments is another URL, for the HTTP client and for proxies. Names come from outside.
        guard !call.path.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) else {
            throw KubeError(
                .badRequest, activity: call.activity, message: "a name may not be . or ..; nothing was sent")
        }
        var credential = try await credential(for: call)
        var renewed = false
        while true {
            let request = request(for: call, credential, lane: lane, idleTimeout: idleTimeout)
            let observed = RequestTiming(call, observer)
            do {
                return try await transports.transport(for: credential).withResponse(to: request) {
                    head, body in
                    observed.complete(.responded(head.status.code))
                    guard head.status.kind == .successful else {
                        throw await Self.failure(head, body, of: call)
                    }
                    return try await handler(body)
                }
            } catch let error as KubeError where error.code == .unauthorized && !renewed {
                renewed = true
                await credentials.invalidate(credential)
                let next = try await self.credential(for: call)
                // The same again would be refused again.
                guard next.generation != credential.generation else { throw error }
                credential = next
            } catch let error as KubeError {
                throw error
            } catch let error as HTTPError {
                let code = KubeError.Code(error.code)
                observed.complete(.failed(code))
                throw KubeError(code, activity: call.activity, message: error.description)
            } catch is CancellationError {
                throw KubeError(.cancelled, activity: call.activity, message: "cancelled")
            } catch {
                throw KubeError(.malformedResponse, activity: call.activity, message: "\(error)")
            }
        }
    }

    private func credential(for call: KubeClient.Request) async throws(KubeError) -> Credential {
        do {
            return try await credentials.credential()
        } catch {
            throw KubeError(.credentials, activity: call.activity, message: error.description)
        }
    }

    private func request(
        for call: KubeClient.Request, _ credential: Credential, lane: HTTPClientRequest.TransferMode,
        idleTimeout: Duration?
    ) -> HTTPClientRequest {
        var url = server + call.path
        for (index, item) in call.query.enumerated() {
            url += (index == 0 ? "?" : "&") + item.0 + "=" + percentEncoded(item.1)
        }
        var fields = impersonation
        fields[.accept] = call.accept
        var body = HTTPClientRequest.Body.none
        switch call.body {
        case .none: break
        case .bytes(let bytes, let contentType):
            fields[.contentType] = contentType
            body = .bytes(bytes)
        case .secret(let secret, let contentType):
            fields[.contentType] = contentType
            body = .secret(secret)
        }
        return HTTPClientRequest(
            method: call.method, url: url, fields: fields,
            secretFields: credential.authorization.map { [.init(name: .authorization, value: $0)] } ?? [],
            body: body, lane: lane, timeout: lane == .unary ? timeout : nil, idleTimeout: idleTimeout,
            maximumResponseBody: call.maximumResponseSize)
    }

    private static func failure(
        _ head: HTTPResponseHead, _ body: HTTPBody, of call: KubeClient.Request
    ) async -> KubeError {
        let text = try? await body.collect(upTo: 256 * 1024)
        var status = text.flatMap { try? JSONReader.read(Status.self, from: $0) }
        // A server that could not read a body says so with a piece of it.
        if head.status.code == 400, case .secret = call.body {
            let denial = status?.admissionDenial
            status?.message = denial
        }
        let wait = head.fields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) }
        return KubeError(
            httpStatus: head.status.code, retryAfter: wait, status: status,
            activity: call.activity)
    }
}

extension HTTPFields {
    /// Impersonation headers (Kubernetes, "Authenticating", "User impersonation").
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
