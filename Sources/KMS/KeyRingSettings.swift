package import Envelope
package import Settings
import System

/// The mode of the program that uses the keys. A risk that a user may take for one command is not acceptable for a
/// controller. For example, a controller refuses to start with an unverified Vault server, unless SB_ENV=dev is set.
package enum ProgramMode: Sendable {
    case commandLine, controller
}

extension KeyRing {
    /// Loads the keys of `SB_KMS_BACKEND` and the settings of its backends. A comma-separated list is for a
    /// migration: the first backend wraps, all of them unwrap. The environment forgets the keys that it holds itself, so that
    /// the key managers have the only copies: a second call does not find them.
    ///
    /// - Parameters:
    ///   - observer: Gets the requests to all backends.
    ///   - warn: Gets one line for each setting that works and is a risk, such as unverified certificates.
    package static func load(
        from environment: Environment, for mode: ProgramMode = .commandLine,
        observer: (any KeyManagerObserver)? = nil, warn: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(SettingError) -> KeyRing {
        let names = (environment.value("SB_KMS_BACKEND") ?? "local").split(separator: ",").map {
            String($0.filter { $0 != " " })
        }
        // All batching key managers share the count of unwraps that are about to follow.
        let backlog = UnwrapBacklog()
        let context = KMSBackendContext(
            environment: environment, mode: mode, observer: observer, backlog: backlog, warn: warn)
        var managers: [any KeyManager] = []
        for (index, name) in names.enumerated() {
            guard !names[..<index].contains(name) else {
                throw SettingError(variable: "SB_KMS_BACKEND", problem: "lists \(name.sanitizedName) twice")
            }
            guard let backend = KMSBackends.named(name) else {
                throw SettingError(
                    variable: "SB_KMS_BACKEND",
                    problem: "is \"\(name.sanitizedName)\"; \(KMSBackends.list) is expected")
            }
            managers += try backend.keyManagers(context)
        }
        guard let primary = managers.first else {
            throw SettingError(variable: "SB_KMS_BACKEND", problem: "names no backend; for example: local")
        }
        environment.forget(LocalKeyManager.keyVariables)
        return KeyRing(primary: primary, others: Array(managers.dropFirst()), backlog: backlog)
    }
}
