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
        let endpoint = AzureTokenEndpoint(
            authority: authority, transport: context.serviceTransport, clock: context.clock)
        return AzureCredentials([
            AzureProcessCredentials(environment: context.environment, endpoint: endpoint),
            AzureImplicitCredential(context),
        ])
    }

    /// Uses an identity of a tenant, and never the credentials of this process.
    static func federated(
        _ credential: AzureFederatedCredential, _ context: AzureCredentialsContext, authority: ServerAddress
    ) -> AzureCredentials {
        var credential = credential
        credential.endpoint = AzureTokenEndpoint(
            authority: authority, transport: context.serviceTransport, clock: context.clock)
        return AzureCredentials([credential])
    }

    private struct BoundSource: CloudTokenSource {
        let credential: any AzureCredential
        let request: AzureTokenRequest

        var name: String { credential.name }
        var isImplicit: Bool { credential.isImplicit }

        func token() async throws(CloudError) -> CloudToken? { try await credential.token(for: request) }
    }
}

/// An application to which an identity of another issuer may sign in: a service account of a cluster.
struct AzureFederatedCredential: AzureCredential {
    let name: String
    let tenant: String
    let clientID: String
    let identity: any IdentityTokenSource
    var endpoint: AzureTokenEndpoint?

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        guard let endpoint else { return nil }
        let assertion: SharedSecret
        do throws(IdentityTokenError) {
            assertion = try await identity.token()
        } catch {
            throw CloudError(error)
        }
        return try await endpoint.token(
            for: request, tenant: tenant, clientID: clientID, proof: .assertion(assertion), source: name)
    }
}

/// The credentials that environment variables describe: a client secret, a client certificate or a workload identity.
///
/// Source: Azure Identity client library, "EnvironmentCredential"; Microsoft Entra Workload ID, "Mutating admission webhook".
struct AzureProcessCredentials: AzureCredential {
    static let authorityVariable = "AZURE_AUTHORITY_HOST"
    static let tenantVariable = "AZURE_TENANT_ID"
    static let clientVariable = "AZURE_CLIENT_ID"
    static let secretVariable = "AZURE_CLIENT_SECRET"
    static let certificateVariable = "AZURE_CLIENT_CERTIFICATE_PATH"
    static let tokenFileVariable = "AZURE_FEDERATED_TOKEN_FILE"

    let name = "environment, workload identity"
    let environment: Environment
    let endpoint: AzureTokenEndpoint

    func token(for request: AzureTokenRequest) async throws(CloudError) -> CloudToken? {
        let secret: SharedSecret?
        do throws(SettingError) {
            secret = try environment.secret(Self.secretVariable)
        } catch {
            throw CloudError(.misconfigured, "\(error)")
        }
        if let secret {
            let (tenant, clientID) = try application(besides: Self.secretVariable)
            return try await endpoint.token(
                for: request, tenant: tenant, clientID: clientID, proof: .secret(secret),
                source: Self.secretVariable)
        }
        if let path = environment.value(Self.certificateVariable) {
            let (tenant, clientID) = try application(besides: Self.certificateVariable)
            let certificate = try AzureClientCertificate.load(from: path, environment)
            return try await endpoint.token(
                for: request, tenant: tenant, clientID: clientID, proof: .certificate(certificate),
                source: Self.certificateVariable)
        }
        if let path = environment.value(Self.tokenFileVariable) {
            let (tenant, clientID) = try application(besides: Self.tokenFileVariable)
            let credential = AzureFederatedCredential(
                name: "workload identity", tenant: tenant, clientID: clientID,
                identity: IdentityTokenFile(
                    path: path, name: "the service account's token", setting: Self.tokenFileVariable),
                endpoint: endpoint)
            return try await credential.token(for: request)
        }
        return nil
    }

    /// Returns the tenant and the client id that a credential needs besides itself.
    private func application(besides variable: String) throws(CloudError) -> (
        tenant: String, clientID: String
    ) {
        func read(_ name: String, _ isValid: (String) -> Bool) throws(CloudError) -> String {
            guard let value = environment.value(name) else {
                throw CloudError(
                    .misconfigured, "\(variable) is set without \(name); set both, or unset both")
            }
            guard isValid(value) else {
                throw CloudError(.misconfigured, "\(name) is not an id of Microsoft Entra ID; correct it")
            }
            return value
        }
        return (
            try read(Self.tenantVariable) { AzureIdentifier.isTenant($0) },
            try read(Self.clientVariable) { AzureIdentifier.isClientID($0) }
        )
    }
}
