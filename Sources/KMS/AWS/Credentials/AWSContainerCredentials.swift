import Cryptography
import FoundationEssentials
import HTTP
import HTTPTypes
import Settings
import System

/// Credentials from an agent on the node: EKS Pod Identity, ECS or Greengrass. The platform sets variables with the
/// agent's URL and an authorization token.
///
/// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
struct AWSContainerCredentials: AWSCredentialsSource {
    let name = "container"
    private let environment: Environment
    private let client: AWSCredentialsClient

    static let relativeURIVariable = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    static let fullURIVariable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    static let tokenVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    static let tokenFileVariable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

    private static let ecsHost = "169.254.170.2"
    /// The hosts that may be reached over plain http: those of ECS and EKS. On the way to any
    /// other host, the network could read the token.
    private static let plainHTTPHosts: Set = [ecsHost, "169.254.170.23", "[fd00:ec2::23]", "localhost"]

    /// - Parameters:
    ///   - transport: A transport that uses no proxy and allows plain http.
    ///   - timeout: The timeout of one attempt; there are at most three.
    init(_ environment: Environment, transport: any HTTPTransport, timeout: Duration = .seconds(2)) {
        self.environment = environment
        client = AWSCredentialsClient(
            name: name, transport: transport, attempts: 3, timeout: timeout,
            remedy: "check that the agent runs on this node (EKS: eks-pod-identity-agent)")
    }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard let url = try url() else { return nil }
        var request = HTTPClientRequest(url: url, fields: [.accept: "application/json"])
        if let token = try authorization() {
            request.secretFields = [.init(name: .authorization, value: token)]
        }
        let (head, body) = try await client.send(request)
        let document = AWSCredentialsDocument(body.bytes)
        guard head.status.code == 200 else { throw errorResponse(head.status.code, document?.errorCode) }
        guard let document else {
            throw AWSCredentialsError(.unavailable, "\(name): the response is not a JSON object")
        }
        return try document.credentials(token: "Token", needsExpiration: true, from: name)
    }

    private func url() throws(AWSCredentialsError) -> String? {
        if let path = environment.value(Self.relativeURIVariable) {
            guard path.hasPrefix("/"), Self.isPath(path) else {
                throw misconfigured("\(Self.relativeURIVariable) is not a path that begins with /")
            }
            return "http://\(Self.ecsHost)\(path)"
        }
        guard let url = environment.value(Self.fullURIVariable) else { return nil }
        guard let scheme = ["https://", "http://"].first(where: { url.hasPrefix($0) }) else {
            throw misconfigured("\(Self.fullURIVariable) is not an http or https URL")
        }
        let rest = url.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let host = Self.host(authority), Self.isPath(rest.dropFirst(authority.count)) else {
            throw misconfigured("\(Self.fullURIVariable) is not of the form http://<host>[:<port>]/<path>")
        }
        guard scheme == "https://" || Self.plainHTTPHosts.contains(host) || Self.isLoopback(host) else {
            throw misconfigured(
                "\(Self.fullURIVariable) uses plain http to \(host); use https, a loopback address or a host of ECS or "
                    + "EKS")
        }
        return url
    }

    /// Reads the token from the file, which has priority and which the platform renews, or from the variable.
    private func authorization() throws(AWSCredentialsError) -> SharedSecret? {
        let token: SharedSecret
        if let path = environment.value(Self.tokenFileVariable) {
            do throws(FileError) {
                token = SharedSecret(try SecretBytes(contentsOfFile: path, limit: 64 * 1024))
            } catch {
                throw misconfigured(
                    "the file in \(Self.tokenFileVariable) cannot be read: \(error.redactedDescription)")
            }
        } else if let inline = environment.inlineSecret(Self.tokenVariable) {
            token = inline
        } else {
            return nil
        }
        guard let words = HeaderValue.printableASCII(token.bytes) else {
            throw misconfigured(
                "the authorization token is empty or has characters that are invalid in a header")
        }
        return words
    }

    private func errorResponse(_ status: Int, _ code: String?) -> AWSCredentialsError {
        let problem = "\(name): the agent responds with HTTP \(status)" + (code.map { " (\($0))" } ?? "")
        if AWSCredentialsClient.isTransient(status) { return AWSCredentialsError(.unavailable, problem) }
        return AWSCredentialsError(
            .denied,
            "\(problem); check that this service account or task has a role (EKS: a pod identity association)"
        )
    }

    private func misconfigured(_ problem: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "\(name): \(problem)")
    }

    private static func isPath(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "#") }
    }

    /// Returns the host in lower case, or nil if there is more than a host and a port, such as `user@host`.
    private static func host(_ authority: some StringProtocol) -> String? {
        var host = authority.lowercased()[...]
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]") {
            guard UInt16(host[host.index(after: colon)...]) != nil else { return nil }
            host = host[..<colon]
        }
        let allowed = host.hasPrefix("[") && host.hasSuffix("]") ? "0123456789abcdef:[]." : nil
        let isHost = host.utf8.allSatisfy { byte in
            allowed?.utf8.contains(byte) ?? (byte.isASCIILetterOrDigit || "-.".utf8.contains(byte))
        }
        return host.isEmpty || !isHost ? nil : String(host)
    }

    private static func isLoopback(_ host: String) -> Bool {
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        return host == "[::1]"
            || (octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil })
    }
}
