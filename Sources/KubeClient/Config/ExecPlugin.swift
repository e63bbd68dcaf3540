import Cryptography
import JSON
import System
import YAML

/// A credential plugin as the `exec` field of a kubeconfig's user describes it.
///
/// Source: Kubernetes, "client-go credential plugins"; kubeconfig (v1), ExecConfig.
struct ExecPlugin: Sendable {
    enum Version: String, Sendable {
        case v1 = "client.authentication.k8s.io/v1"
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    let version: Version
    /// The command as configured. A relative path has been resolved against the kubeconfig's folder.
    let command: String
    let arguments: [String]
    /// The process's environment with the plugin's additions. `ExecCredentialSource` adds `KUBERNETES_EXEC_INFO`.
    let environment: [String: String]
    let installHint: String?
    let isInteractive: Bool
    /// The cluster that the plugin is told about if `provideClusterInfo` is set.
    let cluster: ExecClusterInfo?
    /// The location of the configuration, for errors: `FILE: users["a"].user.exec`.
    let fieldPath: String

    /// Returns the path of the program: `command` if it contains a slash, else the first match in PATH.
    func locate(isExecutable: (String) -> Bool) throws(ConfigurationError) -> String {
        if command.contains("/") {
            guard isExecutable(command) else {
                guard CredentialFile.isMissing(command) else { throw notExecutable(command) }
                throw notFound("there is no such program")
            }
            return command
        }
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        // A relative folder in PATH would run a program from the working directory.
        let candidates = folders.filter { $0.hasPrefix("/") }.map { "\($0)/\(command)" }
        guard let path = candidates.first(where: isExecutable) else {
            if let present = candidates.first(where: { !CredentialFile.isMissing($0) }) {
                throw notExecutable(present)
            }
            throw notFound("it is not in PATH")
        }
        return path
    }

    /// Without the install hint: installing an existing program again would not help.
    private func notExecutable(_ path: String) -> ConfigurationError {
        error(
            "cannot run \(command.asOneLine): \(path.asOneLine) is not executable; run chmod +x on it, or correct `command`"
        )
    }

    private func notFound(_ reason: String) -> ConfigurationError {
        // An installation hint may have several lines.
        let hint = installHint.map {
            "; \($0.truncated(toUTF8: 2_000).split(whereSeparator: \.isNewline).joined(separator: " "))"
        }
        return error(
            "cannot run \(command.asOneLine): \(reason)\(hint ?? "; install it or correct `command`")")
    }

    func error(_ problem: String) -> ConfigurationError {
        ConfigurationError(.plugin, "\(fieldPath): \(problem)")
    }
}

extension ExecPlugin {
    /// Reads `users[...].user.exec`.
    ///
    /// - Parameter isTerminal: True if standard input is a terminal.
    init(
        _ fields: KubeconfigFields, cluster: ExecClusterInfo, environment: [String: String], isTerminal: Bool
    ) throws(ConfigurationError) {
        guard let version = Version(rawValue: try fields.required("apiVersion")) else {
            throw fields.error(
                .unsupported, "apiVersion",
                "is not supported; expected \(Version.v1.rawValue) or \(Version.v1beta1.rawValue)")
        }
        let command = try fields.required("command")
        var environment = environment
        for element in try fields.list("env") {
            let value = element["value"]
            // As in kubectl, a variable without a value is empty.
            guard let name = element["name"]?.string, !name.isEmpty, !name.contains("="),
                let text = value == nil || value?.isNull == true ? "" : value?.string
            else {
                throw fields.error(
                    .invalid, "env", "needs entries with a name and an optional value, both strings")
            }
            environment[name] = text
        }
        self.init(
            version: version, command: command.contains("/") ? fields.resolve(command) : command,
            arguments: try fields.strings("args"), environment: environment,
            installHint: try fields.string("installHint"),
            isInteractive: try Self.isInteractive(fields, version, isTerminal: isTerminal),
            cluster: try fields.bool("provideClusterInfo") ? cluster : nil,
            fieldPath: "\(fields.file): \(fields.path)")
    }

    private static func isInteractive(
        _ fields: KubeconfigFields, _ version: Version, isTerminal: Bool
    ) throws(ConfigurationError) -> Bool {
        switch try fields.string("interactiveMode") {
        case "Never": return false
        case "IfAvailable": return isTerminal
        case "Always":
            guard isTerminal else {
                throw fields.error(
                    .plugin, "interactiveMode",
                    "is Always, but standard input is not a terminal; log in another way, such as with a token"
                )
            }
            return true
        // Only v1 requires the field. In v1beta1 the default is IfAvailable.
        case nil where version == .v1beta1: return isTerminal
        default:
            throw fields.error(
                .invalid, "interactiveMode", "is missing or unknown; expected Never, IfAvailable or Always")
        }
    }
}

/// The cluster as a plugin with `provideClusterInfo` gets it (client.authentication.k8s.io/v1 Cluster).
struct ExecClusterInfo: Sendable {
    let server: String
    let tlsServerName: String?
    let isInsecure: Bool
    /// Certificates in PEM.
    let certificateAuthority: [UInt8]?
    let proxyURL: String?
    /// The extension `client.authentication.k8s.io/exec` of the cluster's entry, which may have any shape.
    let config: YAMLNode?

    var json: JSONValue {
        var entries: [(key: String, value: JSONValue)] = [("server", .string(server))]
        if let tlsServerName { entries.append(("tls-server-name", .string(tlsServerName))) }
        if isInsecure { entries.append(("insecure-skip-tls-verify", true)) }
        if let certificateAuthority {
            entries.append(
                ("certificate-authority-data", .base64(SharedSecret(copying: certificateAuthority))))
        }
        if let proxyURL { entries.append(("proxy-url", .string(proxyURL))) }
        if let config { entries.append(("config", JSONValue(config))) }
        return .object(entries)
    }
}
