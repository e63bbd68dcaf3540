import YAML

extension ExecPlugin {
    /// From `users[...].user.exec`.
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
            // As for kubectl, one without a value is an empty variable.
            guard let name = element["name"]?.string, !name.isEmpty, !name.contains("="),
                let text = value == nil || value?.isNull == true ? "" : value?.string
            else {
                throw fields.error(
                    .invalid, "env", "needs entries with a name and, if any, a value, both strings")
            }
            environment[name] = text
        }
        self.init(
            version: version,
            command: command.contains("/") ? KubeconfigPath.resolve(command, besides: fields.file) : command,
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
                    "is Always, but standard input is no terminal; log in another way, such as with a token")
            }
            return true
        case nil where version == .v1beta1: return isTerminal
        default:
            throw fields.error(
                .invalid, "interactiveMode", "is missing or unknown; expected Never, IfAvailable or Always")
        }
    }
}
