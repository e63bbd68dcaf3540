import Cryptography
import Envelope
import HTTP
import Settings
import System

/// One source of access tokens of Microsoft Entra ID. Safe to use from many tasks.
protocol AzureCredential: Sendable {
    /// The name that messages use.
    var name: String { get }
    /// True for a source that is tried although it has no settings.
    var isImplicit: Bool { get }

    /// - Returns: Nil if this source is not configured, so that the next one is tried.
    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken?
}

extension AzureCredential {
    var isImplicit: Bool { false }
}

/// The settings, transports and clocks that all sources share.
struct AzureCredentialsContext: Sendable {
    let environment: Environment
    /// The transport to Microsoft Entra ID.
    let serviceTransport: any HTTPTransport
    /// The transport to the instance metadata service, by plain http and without a proxy.
    let localTransport: any HTTPTransport
    /// Returns the environment of the Azure command line. It may hold secrets, so it is copied only when it is needed.
    let childEnvironment: @Sendable () -> [String: String]
    let clock: ClientClock

    init(
        _ environment: Environment, services: any HTTPTransport, local: any HTTPTransport,
        childEnvironment: @escaping @Sendable () -> [String: String] = inheritableEnvironment,
        clock: ClientClock = ClientClock()
    ) {
        self.environment = environment
        serviceTransport = services
        localTransport = local
        self.childEnvironment = childEnvironment
        self.clock = clock
    }
}

/// Takes access tokens from the first source that is configured.
struct AzureCredentials: Sendable {
    private let sources: [any AzureCredential]

    private static let remedy =
        "on AKS, give the pod a workload identity (the label azure.workload.identity/use: \"true\", and the annotation "
        + "azure.workload.identity/client-id of its service account); on a workstation, run az login"

    init(_ sources: [any AzureCredential]) {
        self.sources = sources
    }

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        try await CloudTokenChain(
            name: "Azure credentials", sources: sources.map { BoundSource(credential: $0, request: request) },
            remedy: Self.remedy
        ).token()
    }

    /// Uses the credentials of this process in the order of DefaultAzureCredential: variables, workload identity, managed
    /// identity, the Azure command line.
    ///
    /// Source: Azure Identity client library, "DefaultAzureCredential".
    static func process(
        _ context: AzureCredentialsContext, authority: ServerAddress
    ) -> AzureCredentials {
        AzureCredentials([
            AzureProcessCredentials(
                environment: context.environment, endpoint: AzureTokenEndpoint(context, authority: authority)),
            AzureImplicitCredential(context),
        ])
    }

    private struct BoundSource: CloudTokenSource {
        let credential: any AzureCredential
        let request: AzureTokenRequest

        var name: String { credential.name }
        var isImplicit: Bool { credential.isImplicit }

        func token() async throws(CloudError) -> CloudToken? { try await credential.token(for: request) }
    }
}

/// An application, or a user-assigned managed identity, of a tenant of Microsoft Entra ID.
struct AzureApplication: Sendable {
    static let tenantVariable = "AZURE_TENANT_ID"
    static let clientVariable = "AZURE_CLIENT_ID"

    let tenant: String
    let clientID: String

    static func load(from environment: Environment) throws(SettingError) -> AzureApplication {
        func read(_ variable: String, _ isValid: (String) -> Bool) throws(SettingError) -> String {
            guard let value = environment.value(variable) else {
                throw SettingError(
                    variable: variable, problem: "is not set; an application of Microsoft Entra ID needs it")
            }
            guard isValid(value) else {
                throw SettingError(
                    variable: variable, problem: "is not an id of Microsoft Entra ID; correct it")
            }
            return value
        }
        return AzureApplication(
            tenant: try read(tenantVariable) { AzureIdentifier.isTenant($0) },
            clientID: try read(clientVariable) { AzureIdentifier.isClientID($0) })
    }
}

/// An application to which an identity of another issuer may sign in: a service account of a cluster.
struct AzureFederatedCredential: AzureCredential {
    let name: String
    let application: AzureApplication
    let identity: any IdentityTokenSource
    let endpoint: AzureTokenEndpoint

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        let assertion: SharedSecret
        do throws(IdentityTokenError) {
            assertion = try await identity.token()
        } catch {
            throw CloudError(error)
        }
        return try await endpoint.token(
            for: request, application, proof: .assertion(assertion), source: name)
    }
}

/// The credentials that environment variables describe: a client secret, a client certificate or a workload identity.
///
/// Source: Azure Identity client library, "EnvironmentCredential"; Microsoft Entra Workload ID, "Mutating admission webhook".
struct AzureProcessCredentials: AzureCredential {
    static let secretVariable = "AZURE_CLIENT_SECRET"
    static let certificateVariable = "AZURE_CLIENT_CERTIFICATE_PATH"
    static let tokenFileVariable = "AZURE_FEDERATED_TOKEN_FILE"

    let name = "environment, workload identity"
    let environment: Environment
    let endpoint: AzureTokenEndpoint

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        if let secret = try secret() {
            return try await endpoint.token(
                for: request, try application(of: Self.secretVariable), proof: .secret(secret),
                source: Self.secretVariable)
        }
        if let path = environment.value(Self.certificateVariable) {
            let application = try application(of: Self.certificateVariable)
            let certificate = try AzureClientCertificate.load(from: path, environment)
            return try await endpoint.token(
                for: request, application, proof: .certificate(certificate), source: Self.certificateVariable)
        }
        if let path = environment.value(Self.tokenFileVariable) {
            let credential = AzureFederatedCredential(
                name: "workload identity", application: try application(of: Self.tokenFileVariable),
                identity: IdentityTokenFile(
                    path: path, name: "the service account's token", setting: Self.tokenFileVariable),
                endpoint: endpoint)
            return try await credential.token(for: request)
        }
        return nil
    }

    private func secret() throws(CloudError) -> SharedSecret? {
        do throws(SettingError) {
            return try environment.secret(Self.secretVariable)
        } catch {
            throw CloudError(.misconfigured, "\(error)")
        }
    }

    /// Returns the application that a credential needs besides itself.
    private func application(of variable: String) throws(CloudError) -> AzureApplication {
        do throws(SettingError) {
            return try AzureApplication.load(from: environment)
        } catch {
            throw CloudError(.misconfigured, "\(error), besides \(variable)")
        }
    }
}
