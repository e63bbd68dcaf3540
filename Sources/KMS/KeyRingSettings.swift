package import Envelope
import System

/// The program that uses the keys. What a developer may accept for one command is no setting for a controller.
package enum ProgramMode: Sendable {
    case commandLine, controller
}

extension KeyRing {
    /// The keys that `SB_KMS_BACKEND` and the settings of its backends describe. A comma-separated list is
    /// for the time of a move: the first backend wraps, all of them unwrap.
    ///
    /// - Parameters:
    ///   - observer: Gets the requests of all of them.
    ///   - warn: Gets one line for each setting that works and should not stay, such as unverified certificates.
    package static func load(
        from environment: Environment, for user: ProgramMode = .commandLine,
        observer: (any KeyManagerObserver)? = nil, warn: (String) -> Void = { _ in }
    ) throws(SettingError) -> KeyRing {
        let names = (environment.value("SB_KMS_BACKEND") ?? "local").split(separator: ",").map {
            String($0.filter { $0 != " " })
        }
        var managers: [any KeyManager] = []
        for (index, name) in names.enumerated() {
            guard !names[..<index].contains(name) else {
                throw SettingError(variable: "SB_KMS_BACKEND", problem: "lists \(name.sanitizedName) twice")
            }
            if name == "vault-transit" {
                let vault = try VaultSettings.load(from: environment)
                if let warning = try vault.unverifiedServerWarning(environment, user: user) { warn(warning) }
            }
            managers += try Self.managers(of: name, environment, observer)
        }
        guard let primary = managers.first else {
            throw SettingError(variable: "SB_KMS_BACKEND", problem: "names no backend; for example: local")
        }
        return KeyRing(primary: primary, others: Array(managers.dropFirst()))
    }

    private static func managers(
        of backend: String, _ environment: Environment, _ observer: (any KeyManagerObserver)?
    ) throws(SettingError) -> [any KeyManager] {
        switch backend {
        case "local":
            return try LocalKeyManager.load(from: environment, observer: observer)
        case "vault-transit":
            return try TransitKeyManager.load(from: environment, observer: observer).map {
                BatchingKeyManager($0)
            }
        case "aws-kms":
            return [BatchingKeyManager(try AWSKeyManager.load(from: environment, observer: observer))]
        default:
            throw SettingError(
                variable: "SB_KMS_BACKEND",
                problem: "is \"\(backend.sanitizedName)\"; this version has: local, vault-transit, aws-kms")
        }
    }
}
