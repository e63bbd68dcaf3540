import Cryptography
import Envelope
import Settings

/// The `aws-kms` backend.
enum AWSBackend: KMSBackend {
    static let name = "aws-kms"

    static func keyManagers(_ context: KMSBackendContext) throws(SettingError) -> [any KeyManager] {
        try context.checkPlainHTTP(AWSEndpoints.allowHTTPVariable)
        let manager = try AWSKeyManager.load(from: context.environment, observer: context.observer)
        return [BatchingKeyManager(manager, backlog: context.backlog)]
    }

    private static let stsVariable = "AWS_ENDPOINT_URL_STS"
    private static let roleVariable = AWSWebIdentityCredentials.roleVariable

    static let providerFields = [
        "keyID": AWSSettings.keyVariable, "region": AWSSettings.regionVariable,
        "endpoint": AWSEndpoints.kmsEndpointVariable, "stsEndpoint": stsVariable,
        "roleARN": roleVariable,
    ]

    /// Assumes the provider's role with the identity, or else with the credentials of this process. A user of the command
    /// line has credentials of their own.
    static func keyManager(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> any KeyManager {
        let environment = try environment(provider, context)
        let role = try role(provider, context)
        let manager = try AWSKeyManager.load(
            from: environment, observer: context.observer, transports: context.transports, isProvider: true
        ) { credentials in
            guard let role else { return AWSCredentialsChain(credentials) }
            return AWSRoleCredentials(role: role, identity: context.identity, context: credentials)
        }
        return BatchingKeyManager(manager, backlog: context.backlog)
    }

    /// Returns the environment of this process with the provider's settings in place of its own.
    static func environment(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> Environment {
        let settings = provider.settings
        let key = settings.value(AWSSettings.keyVariable).flatMap { AWSKeyReference($0) }
        guard let region = settings.value(AWSSettings.regionVariable) ?? key?.region?.name else {
            throw SettingError(
                variable: AWSSettings.regionVariable,
                problem: "is not set; name the key's Region, or set \(AWSSettings.keyVariable) to an ARN")
        }
        var values: [String: String?] = [
            AWSSettings.keyVariable: settings.value(AWSSettings.keyVariable),
            AWSSettings.regionVariable: region, "AWS_REGION": region,
            AWSEndpoints.kmsEndpointVariable: settings.value(AWSEndpoints.kmsEndpointVariable),
            // An address of this process's own settings is not that of the provider.
            "AWS_ENDPOINT_URL": nil, "AWS_ENDPOINT_URL_KMS": nil,
            stsVariable: settings.value(stsVariable),
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": nil, AWSEndpoints.allowHTTPVariable: nil,
        ]
        if context.usesCredentialsOfUser {
            // A web identity of the user goes to the user's STS. What goes to the provider's KMS is signed for that host.
            let own = context.environment
            values[stsVariable] = .some(own.value(stsVariable) ?? own.value("AWS_ENDPOINT_URL"))
            values["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = .some(
                own.value("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))
        }
        if context.identity != nil {
            // A profile of this process names servers and CAs too, and has no credentials that the identity needs.
            values.merge([
                "AWS_PROFILE": nil, "AWS_DEFAULT_PROFILE": nil,
                "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            ]) { $1 }
        }
        return context.environment.overriding(values)
    }

    private static func role(
        _ provider: ProviderEnvironment, _ context: KMSBackendContext
    ) throws(SettingError) -> AWSAssumedRole? {
        guard context.identity != nil || context.mode == .controller else { return nil }
        guard let arn = provider.settings.value(roleVariable) else {
            guard context.identity == nil else {
                throw SettingError(
                    variable: roleVariable,
                    problem: "is not set; a service account needs the ARN of the IAM role that it assumes")
            }
            return nil
        }
        do throws(AWSCredentialsError) {
            return try AWSAssumedRole(arn: arn, sessionName: nil, from: roleVariable)
        } catch {
            throw SettingError(variable: roleVariable, problem: "cannot be used: \(error)")
        }
    }
}

/// The role of a provider.
struct AWSRoleCredentials: AWSCredentialsSource {
    let role: AWSAssumedRole
    /// The identity that assumes the role, or nil for the credentials of this process.
    let identity: (any IdentityTokenSource)?
    let context: AWSCredentialsContext

    let name = "role of the provider"

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let service = try context.tokenService(for: name, try AWSProfiles.load(from: context.environment))
        guard let identity else {
            guard let base = try await AWSCredentialsChain(context).credentials() else { return nil }
            return try await service.assume(role, with: base, date: context.clocks.date)
        }
        let token: SharedSecret
        do throws(IdentityTokenError) {
            token = try await identity.token()
        } catch {
            throw AWSCredentialsError(error, for: name)
        }
        return try await service.assume(role, webIdentity: token)
    }
}

extension AWSCredentialsError {
    fileprivate init(_ error: IdentityTokenError, for name: String) {
        let code: Code =
            switch error.code {
            case .misconfigured: .misconfigured
            case .denied: .denied
            case .unavailable: .unavailable
            case .cancelled: .cancelled
            }
        self.init(code, "\(name): \(error.message)", retryAfter: error.retryAfter)
    }
}
