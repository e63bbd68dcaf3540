import Cryptography
import FoundationEssentials
import Settings
import System

/// A profile, or another section of the shared files.
struct AWSProfile: Sendable {
    let name: String
    /// The settings that are not secret, by key in lower case.
    var settings: [String: String] = [:]
    /// The settings below a key without a value: `kms` → `endpoint_url` in a `[services …]` section.
    var nested: [String: [String: String]] = [:]
    /// `aws_secret_access_key`, `aws_session_token`.
    var secrets: [String: SharedSecret] = [:]
    /// The first line that cannot be parsed.
    fileprivate var fault: AWSCredentialsError?

    /// Returns nil for a setting that is missing or empty.
    func value(_ key: String) -> String? { settings[key].flatMap { $0.isEmpty ? nil : $0 } }

    /// Replaces settings by those of `other`.
    fileprivate mutating func merge(_ other: AWSConfigFile.Section) {
        // Access keys are replaced as a pair: a key id with the secret of another key is useless.
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

    /// - Throws: `parseError`. A profile with an invalid line must not be used in part.
    fileprivate func checked() throws(AWSCredentialsError) -> AWSProfile {
        if let fault { throw fault }
        return self
    }
}

/// The shared configuration: `~/.aws/config`, and `~/.aws/credentials`, whose settings have priority.
///
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
struct AWSProfiles: Sendable {
    /// The name in AWS_DEFAULT_PROFILE or AWS_PROFILE, or `default`, which need not exist.
    let selectedName: String
    private var profiles: [String: Sources] = [:]
    private var sessions: [String: Sources] = [:]
    private var serviceSections: [String: Sources] = [:]

    /// The sections of a profile, each with the `[DEFAULT]` of its file. They are merged when the profile is used.
    private typealias Sources = [(section: AWSConfigFile.Section, defaults: AWSConfigFile.Section?)]

    /// Returns the variable that selects a profile, and its value. AWS_DEFAULT_PROFILE has priority, as in botocore.
    static func selection(in environment: Environment) -> (variable: String, name: String)? {
        for variable in ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"] {
            if let name = environment.value(variable) { return (variable, name) }
        }
        return nil
    }

    /// Reads both files. A missing file counts as empty, as in the SDKs.
    ///
    /// - Throws: `AWSCredentialsError` if a file cannot be read, or a line of the selected profile cannot be parsed, or a
    ///   variable selects a profile that does not exist.
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
        // `[profile default]` replaces `[default]`, in either order.
        let hasLongDefault = configured.contains { Self.name(in: $0.title, after: "profile") == "default" }
        for section in configured {
            if section.title == "default", !hasLongDefault {
                profiles["default", default: []].append((section, config?.defaults))
            } else if let name = Self.name(in: section.title, after: "profile") {
                profiles[name, default: []].append((section, config?.defaults))
            } else if let name = Self.name(in: section.title, after: "sso-session") {
                sessions[name, default: []].append((section, config?.defaults))
            } else if let name = Self.name(in: section.title, after: "services") {
                serviceSections[name, default: []].append((section, config?.defaults))
            }
        }
        for section in credentials?.sections ?? [] {
            profiles[section.title, default: []].append((section, credentials?.defaults))
        }
        if selected != nil, profiles[selectedName] == nil {
            throw AWSCredentialsError(
                .misconfigured,
                "AWS profile \(selectedName.sanitizedName), which AWS_DEFAULT_PROFILE or AWS_PROFILE selects, does not exist "
                    + "in the config and credentials files; add it, or check AWS_CONFIG_FILE and "
                    + "AWS_SHARED_CREDENTIALS_FILE")
        }
        let active = try profile(selectedName)
        _ = try active?.value("services").map { name throws(AWSCredentialsError) in try services(name) }
    }

    /// The settings of the selected profile, by key in lower case. Empty if it does not exist.
    var activeSettings: [String: String] { Self.merged(profiles, selectedName)?.settings ?? [:] }

    // An invalid line is an error only for the section that has it.

    func profile(_ name: String) throws(AWSCredentialsError) -> AWSProfile? {
        try Self.merged(profiles, name)?.checked()
    }
    func ssoSession(_ name: String) throws(AWSCredentialsError) -> AWSProfile? {
        try Self.merged(sessions, name)?.checked()
    }

    /// Returns the settings of each service in a `[services …]` section: `services("dev")?["kms"]?["endpoint_url"]`.
    func services(_ name: String) throws(AWSCredentialsError) -> [String: [String: String]]? {
        try Self.merged(serviceSections, name)?.checked().nested
    }

    /// The `[services …]` section that the selected profile names.
    var activeServices: [String: [String: String]] {
        Self.merged(profiles, selectedName)?.value("services")
            .flatMap { Self.merged(serviceSections, $0)?.nested } ?? [:]
    }

    private static func merged(_ all: [String: Sources], _ name: String) -> AWSProfile? {
        all[name].map { sources in
            var profile = AWSProfile(name: name)
            for source in sources { profile.merge(source.section.adding(source.defaults)) }
            return profile
        }
    }

    /// Returns `x` for `profile x` and `profile "x"`. As in botocore, a title is split like a shell command.
    private static func name(in title: String, after kind: String) -> String? {
        guard title.hasPrefix(kind), let words = ShellWords.split(title), words.count == 2 else { return nil }
        return words[1].isEmpty ? nil : words[1]
    }
}

extension Environment {
    /// Replaces `~/` at the beginning of a path. Returns nil if that needs HOME, which is not set.
    func expandingHome(_ path: String) -> String? {
        guard path.hasPrefix("~/") else { return path }
        return value("HOME").map { $0 + path.dropFirst(1) }
    }
}
