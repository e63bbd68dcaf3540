/// A credential plugin, as the `exec` of a kubeconfig's user describes it.
///
/// Source: client-go credential plugins, kubeconfig (v1) ExecConfig.
struct ExecPlugin: Sendable {
    enum Version: String, Sendable {
        case v1 = "client.authentication.k8s.io/v1"
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    let version: Version
    /// As written, but a relative path is resolved against the kubeconfig's folder.
    let command: String
    let arguments: [String]
    /// The process's environment with the plugin's additions, without `KUBERNETES_EXEC_INFO`.
    let environment: [String: String]
    let installHint: String?
    let isInteractive: Bool
    /// nil: `provideClusterInfo` is not set.
    let cluster: ExecClusterInfo?
    /// For errors: `FILE: users["a"].user.exec`.
    let fieldPath: String

    /// The path of the program: `command` itself if it has a slash, else the first match in PATH.
    func locate(isExecutable: (String) -> Bool) throws(ConfigurationError) -> String {
        if command.contains("/") {
            guard isExecutable(command) else {
                guard CredentialFile.isMissing(command) else { throw notExecutable(command) }
                throw notFound("there is no such program")
            }
            return command
        }
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        // A relative folder in PATH would run whatever lies in the working folder.
        let candidates = folders.filter { $0.hasPrefix("/") }.map { "\($0)/\(command)" }
        guard let path = candidates.first(where: isExecutable) else {
            if let present = candidates.first(where: { !CredentialFile.isMissing($0) }) {
                throw notExecutable(present)
            }
            throw notFound("it is not in PATH")
        }
        return path
    }

    /// The program is there; to install it again would not help.
    private func notExecutable(_ path: String) -> ConfigurationError {
        error(
            "cannot run \(command): \(path) is not executable; make it so (chmod +x), or correct `command`")
    }

    private func notFound(_ reason: String) -> ConfigurationError {
        let hint = installHint.map { "; \($0.split(whereSeparator: \.isNewline).joined(separator: " "))" }
        return error("cannot run \(command): \(reason)\(hint ?? "; install it or correct `command`")")
    }

    func error(_ problem: String) -> ConfigurationError {
        ConfigurationError(.plugin, "\(fieldPath): \(problem)")
    }
}
