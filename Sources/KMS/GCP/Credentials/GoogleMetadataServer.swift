import Cryptography
import HTTP
import HTTPTypes
import Settings
import System

/// The service account of the instance, node or pod, from the metadata server. This source needs no settings and is the last
/// one.
///
/// Source: Compute Engine documentation, "About VM metadata"; google-auth 2.62 (`google.auth.compute_engine._metadata`).
final class GoogleMetadataServer: CloudTokenSource {
    let name = "metadata server"
    let isImplicit = true
    private let environment: Environment
    private let client: CloudTokenClient
    /// True after the first response of a metadata server, which proves that this machine is on Google Cloud.
    private let hasResponded = Locked(false)

    static let hostVariable = "GCE_METADATA_HOST"
    /// The older name of `hostVariable`.
    static let rootVariable = "GCE_METADATA_ROOT"
    static let disabledVariable = "NO_GCE_CHECK"
    private static let host = "metadata.google.internal"
    private static let path = "/computeMetadata/v1/instance/service-accounts/default/token"

    init(_ context: GoogleCredentialsContext) {
        environment = context.environment
        client = context.localClient(name)
    }

    func token() async throws(CloudError) -> CloudToken? {
        if environment.value(Self.disabledVariable)?.lowercased() == "true" { return nil }
        let address = try address()
        let request = HTTPClientRequest(
            url: "\(address.url)\(Self.path)?scopes=\(percentEncoded(GoogleCredentials.scope))",
            fields: [.metadataFlavor: "Google"])
        let response: CloudTokenClient.Response
        do throws(CloudError) {
            response = try await client.send(request)
        } catch {
            // A name that does not resolve, or no connection: this machine may not be on Google Cloud at all.
            guard error.code == .unavailable, !hasResponded.withLock({ $0 }) else { throw error }
            throw CloudError(
                .misconfigured, "\(error.message); this machine seems not to be on Google Cloud")
        }
        // Another server that responds to any request, such as a captive portal, does not send the field.
        guard response.head.fields[.metadataFlavor] == "Google" else {
            throw CloudError(
                .misconfigured,
                "\(name): the server at \(address.url) is not a metadata server (no Metadata-Flavor: Google)")
        }
        hasResponded.withLock { $0 = true }
        let status = response.head.status.code
        guard status == 200 else { throw error(status, response) }
        return try OAuthTokenEndpoint.token(in: response.body, from: name)
    }

    private func error(_ status: Int, _ response: CloudTokenClient.Response) -> CloudError {
        switch status {
        case 404:
            CloudError(
                .misconfigured,
                "\(name): no service account is attached (HTTP 404); attach one to the instance or node pool")
        case 403:
            CloudError(
                .accessDenied,
                "\(name): denies the token (HTTP 403); with Workload Identity Federation for GKE, let the Kubernetes "
                    + "service account impersonate the one of its annotation iam.gke.io/gcp-service-account, or remove "
                    + "the annotation", concernsAllRequests: true)
        default:
            CloudError(
                RetryingTransport.transientStatuses.contains(status) ? .unavailable : .misconfigured,
                "\(name): the server responds with HTTP \(status)",
                retryAfter: response.head.fields.retryDelay)
        }
    }

    private func address() throws(CloudError) -> ServerAddress {
        let variable = [Self.hostVariable, Self.rootVariable].first { environment.value($0) != nil }
        let host = variable.flatMap { environment.value($0) } ?? Self.host
        guard !host.contains("/"), let address = ServerAddress("http://\(host)") else {
            throw CloudError(
                .misconfigured, "\(name): \(variable ?? Self.hostVariable) is not of the form <host>[:<port>]"
            )
        }
        return address
    }
}
