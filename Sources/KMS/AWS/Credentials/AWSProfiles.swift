import Cryptography
import FoundationEssentials

/// A profile, or another section of the shared files.
struct AWSProfile: Sendable {
    let name: String
    /// Keys in lower case. Without what is secret.
    var settings: [String: String] = [:]
    /// Below a key without a value: `kms` → `endpoint_url` in a `[services …]` section.
    var nested: [String: [String: String]] = [:]
    /// `aws_secret_access_key`, `aws_session_token`.
    var secrets: [String: SharedSecret] = [:]
    /// A line of it that cannot be read.
    fileprivate var fault: AWSCredentialsError?

    /// A setting that is there and not empty.
    func value(_ key: String) -> String? { settings[key].flatMap { $0.isEmpty ? nil : $0 } }

    /// What `other` says wins, setting by setting.
    fileprivate mutating func merge(_ other: AWSConfigFile.Section) {
        // Keys are a whole: half of one pair with half of another is nobody's.
        let key = "aws_access_key_id"
        if other.settings[key] != nil || !other.secrets.isEmpty {
            settings[key] = nil
            secrets = [:]
        }
        for key in other.settings.keys { nested[key] = nil }
        for key in other.nested.keys { settings[key] = nil }
        settings.merge(other.settings) { $1 }
        nested.merge(other.nested) { $1 }
        secrets.merge(other.secrets) { $1 }
        fault = fault ?? other.parseError
    }

    /// What of it is needed is needed whole.
    ///
    /// Errors: a line of it cannot be read.
    fileprivate func checked() throws(AWSCredentialsError) -> AWSProfile {
        if let fault { throw fault }
        return self
    }
}

/// The shared configuration: `~/.aws/config` and `~/.aws/credentials`, the second of which wins setting by
/// setting.
///
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
struct AWSProfiles: Sendable {
    /// The selected profile: AWS_DEFAULT_PROFILE, AWS_PROFILE, or `default`. It need not exist in the last
    /// case.
    let selectedName: String
    private var profiles: [String: AWSProfile] = [:]
    private var sessions: [String: AWSProfile] = [:]
    private var serviceSections: [String: AWSProfile] = [:]

    /// The variable that selects a profile, and which; nil: neither is set. AWS_DEFAULT_PROFILE goes first, as in botocore.
    static func selection(in environment: Environment) -> (variable: String, name: String)? {
        for variable in ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"] {
            if let name = environment.value(variable) { return (variable, name) }
        }
        return nil
    }

    /// Reads both files. One that is not there is empty, as for the SDKs.
    ///
    /// Errors: a file that cannot be read; a line of the selected profile that cannot be understood; a profile that was
    /// asked for by name and is not there.
    static func load(from environment: Environment) throws(AWSCredentialsError) -> AWSProfiles {
        func file(_ variable: String, _ name: String) throws(AWSCredentialsError) -> AWSConfigFile? {
            let path = environment.value(variable) ?? "~/.aws/\(name)"
            guard let path = environment.expandingHome(path) else { return nil }
            return try AWSConfigFile(path: path)
        }
        return try AWSProfiles(
            config: try file("AWS_CONFIG_FILE", "config"),
            credentials: try file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            selected: selection(in: environment)?.name)
    }

    init(
        config: AWSConfigFile?, credentials: AWSConfigFile?, selected: String? = nil
    ) throws(AWSCredentialsError) {
        selectedName = selected ?? "default"
        let configured = config?.sections ?? []
        // `[profile default]` takes the place of `[default]`, wherever it stands.
        let hasLongDefault = configured.contains { Self.name(in: $0.title, after: "profile") == "default" }
        for section in configured {
            if section.title == "default", !hasLongDefault {
                profiles["default", default: AWSProfile(name: "default")].merge(section)
            } else if let name = Self.name(in: section.title, after: "profile") {
                profiles[name, default: AWSProfile(name: name)].merge(section)
            } else if let name = Self.name(in: section.title, after: "sso-session") {
                sessions[name, default: AWSProfile(name: name)].merge(section)
            } else if let name = Self.name(in: section.title, after: "services") {
                serviceSections[name, default: AWSProfile(name: name)].merge(section)
            }
        }
        for section in credentials?.sections ?? [] {
            let name = section.title
            profiles[name, default: AWSProfile(name: name)].merge(section)
        }
        if selected != nil, profiles[selectedName] == nil {
            throw AWSCredentialsError(
                .misconfigured,
                "there is no AWS profile \(selectedName.sanitizedName), which AWS_DEFAULT_PROFILE or AWS_PROFILE asks for, in the config and credentials files "
                    + "(AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE)")
        }
        let active = try profile(selectedName)
        _ = try active?.value("services").map { name throws(AWSCredentialsError) in try services(name) }
    }

    /// The settings of the selected profile, keys in lower case; empty where there is no such profile.
    var activeSettings: [String: String] { profiles[selectedName]?.settings ?? [:] }

    // A line that cannot be read is an error for those alone who need its section.

    func profile(_ name: String) throws(AWSCredentialsError) -> AWSProfile? { try profiles[name]?.checked() }
    func ssoSession(_ name: String) throws(AWSCredentialsError) -> AWSProfile? {
        try sessions[name]?.checked()
    }

    /// By service: `services("dev")?["kms"]?["endpoint_url"]`.
    func services(_ name: String) throws(AWSCredentialsError) -> [String: [String: String]]? {
        try serviceSections[name]?.checked().nested
    }

    /// Those that the selected profile names.
    var activeServices: [String: [String: String]] {
        profiles[selectedName]?.value("services").flatMap { serviceSections[$0]?.nested } ?? [:]
    }

    /// `x` in `profile x`, `profile "x"`, read as botocore does: two words of a shell.
    private static func name(in title: String, after kind: String) -> String? {
        guard title.hasPrefix(kind), let words = ShellWords.split(title), words.count == 2 else { return nil }
        return words[1].isEmpty ? nil : words[1]
    }
}

extension Environment {
    /// A path with `~/` at its beginning made absolute; nil where there is no HOME to put there.
    func expandingHome(_ path: String) -> String? {
        guard path.hasPrefix("~/") else { return path }
        return value("HOME").map { $0 + path.dropFirst(1) }
    }
}
