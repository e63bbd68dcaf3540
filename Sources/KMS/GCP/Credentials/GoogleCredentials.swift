import HTTP
import HTTPTypes
import JSON
import Settings
import System

/// The settings, transports and clocks that all sources of Google credentials share.
struct GoogleCredentialsContext: Sendable {
    let environment: Environment
    /// The transport to Google's services and to the sources that credential files name.
    let services: any HTTPTransport
    /// The transport to services on this node, by plain http and without a proxy, which would reach the services of its own
    /// node and see their tokens.
    let local: any HTTPTransport
    /// The universe of the key: tokens of another one must not be sent to it.
    let universe: GoogleUniverse
    let clock: ClientClock

    init(
        _ environment: Environment, services: any HTTPTransport, local: any HTTPTransport,
        universe: GoogleUniverse, clock: ClientClock = ClientClock()
    ) {
        self.environment = environment
        self.services = services
        self.local = local
        self.universe = universe
        self.clock = clock
    }

    /// Returns the client of one source.
    func client(_ name: String) -> CloudTokenClient {
        CloudTokenClient(
            name: name, transport: RetryingTransport(transport: services),
            remedy: "check the network policy and the proxy (HTTPS_PROXY, NO_PROXY)")
    }

    func localClient(_ name: String) -> CloudTokenClient {
        CloudTokenClient(
            name: name, transport: RetryingTransport(transport: local, timeout: .seconds(3)))
    }
}

/// Application Default Credentials: how Google's client libraries find the identity of a process.
///
/// Source: Google Cloud documentation, "How Application Default Credentials works"; the order is that of google-auth 2.62.
enum GoogleCredentials {
    /// The scope of tokens that are sent to Cloud KMS.
    static let scope = "https://www.googleapis.com/auth/cloud-platform"
    /// The scope of tokens that only impersonate a service account.
    static let impersonationScope = "https://www.googleapis.com/auth/iam"

    static let fileVariable = "GOOGLE_APPLICATION_CREDENTIALS"

    private static let remedy =
        "on GKE, enable Workload Identity Federation for the cluster and give the pod a service account; elsewhere, set "
        + "\(fileVariable) to a credential file, or run gcloud auth application-default login"

    /// Files are read and servers queried at the first use and at each refresh, which also report errors.
    static func applicationDefault(_ context: GoogleCredentialsContext) -> any CloudTokenSource {
        CloudTokenChain(
            name: "Google credentials",
            sources: [
                GoogleFileCredentials(name: fileVariable, context: context) {
                    context.environment.value(fileVariable)
                },
                GoogleFileCredentials(name: "gcloud", context: context) {
                    wellKnownFile(context.environment)
                },
                GoogleMetadataServer(context),
            ], remedy: remedy)
    }

    /// Returns the file that `gcloud auth application-default login` writes, if it exists.
    static func wellKnownFile(_ environment: Environment) -> String? {
        guard
            let folder = environment.value("CLOUDSDK_CONFIG")
                ?? environment.value("HOME").map({ "\($0)/.config/gcloud" })
        else { return nil }
        let path = "\(folder)/application_default_credentials.json"
        // A file that cannot be examined counts as missing: a container's user often may not enter its home directory.
        return (try? FileKind(of: path)) == .file ? path : nil
    }
}

/// The credentials of a file, which is read for each token, so that a file that was replaced has an effect.
struct GoogleFileCredentials: CloudTokenSource {
    /// The name of the setting.
    let name: String
    let context: GoogleCredentialsContext
    /// Returns nil if the file is not configured.
    let path: @Sendable () -> String?

    init(name: String, context: GoogleCredentialsContext, path: @escaping @Sendable () -> String?) {
        self.name = name
        self.context = context
        self.path = path
    }

    func token() async throws(CloudError) -> CloudToken? {
        guard let path = path() else { return nil }
        let file = try GoogleCredentialsFile(path: path, name: name)
        guard file.universe == context.universe else {
            throw file.error(
                "the credentials are of the universe domain \(file.universe?.domain.sanitizedName ?? "?"), and the key is "
                    + "of \(context.universe.domain); set \(GCPSettings.universeVariable) to that of the credentials"
            )
        }
        guard var token = try await file.source(context, scope: GoogleCredentials.scope).token() else {
            throw file.error("no credentials")
        }
        if let project = file.quotaProject { token.fields[.googUserProject] = project }
        return token
    }
}
