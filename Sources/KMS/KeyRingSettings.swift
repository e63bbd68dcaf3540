package import Envelope
package import Settings

/// The mode of the program that uses the keys. A risk that a user may take for one command is not acceptable for a
/// controller. For example, a controller refuses to start with an unverified Vault server, unless SB_ENV=dev is set.
package enum ProgramMode: Sendable {
    case commandLine, controller
}

extension KeyRing {
    /// Loads the keys of `SB_KMS_BACKEND` and the settings of its backends. A comma-separated list is for a
    /// migration: the first backend wraps, all of them unwrap.
    ///
    /// - Parameters:
    ///   - observer: Gets the requests to all backends.
    ///   - warn: Gets one line for each setting that works and is a risk, such as unverified certificates.
    package static func load(
        from environment: Environment, for mode: ProgramMode = .commandLine,
        observer: (any KeyManagerObserver)? = nil, warn: (String) -> Void = { _ in }
    ) throws(SettingError) -> KeyRing {
        let names = (environment.value("SB_KMS_BACKEND") ?? "local").split(separator: ",").map {
            String($0.filter { $0 != " " })
        }
        // All batching key managers share the count of unwraps that are about to follow.
        let backlog = UnwrapBacklog()
        var managers: [any KeyManager] = []
        for (index, name) in names.enumerated() {
            guard !names[..<index].contains(name) else {
                throw SettingError(variable: "SB_KMS_BACKEND", problem: "lists \(name.sanitizedName) twice")
            }
            if name == "vault-transit" {
                let vault = try VaultSettings.load(from: environment)
                if let warning = try vault.unverifiedServerWarning(environment, mode: mode) { warn(warning) }
            }
            managers += try Self.managers(of: name, environment, observer, backlog)
        }
        guard let primary = managers.first else {
            throw SettingError(variable: "SB_KMS_BACKEND", problem: "names no backend; for example: local")
        }
        return KeyRing(primary: primary, others: Array(managers.dropFirst()), backlog: backlog)
    }

    private static func managers(
        of backend: String, _ environment: Environment, _ observer: (any KeyManagerObserver)?,
        _ backlog: UnwrapBacklog
    ) throws(SettingError) -> [any KeyManager] {
        switch backend {
        case "local":
            return try LocalKeyManager.load(from: environment, observer: observer)
        case "vault-transit":
            return try TransitKeyManager.load(from: environment, observer: observer).map {
                BatchingKeyManager($0, backlog: backlog)
            }
        case "aws-kms":
            let manager = try AWSKeyManager.load(from: environment, observer: observer)
            return [BatchingKeyManager(manager, backlog: backlog)]
        case AzureBackend.name:
            return try AzureBackend.keyManagers(
                KMSBackendContext(environment: environment, observer: observer, backlog: backlog))
        default:
            throw SettingError(
                variable: "SB_KMS_BACKEND",
                problem: "is \"\(backend.sanitizedName)\"; local, vault-transit, aws-kms or azure-key-vault is expected")
        }
    }
}
