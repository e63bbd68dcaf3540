import Settings

/// The validated settings of the gcp-kms backend.
struct GCPSettings: Sendable {
    var key: GCPKeySetting
    let address: ServerAddress
    /// `googleapis.com`, or the domain of another Google cloud.
    let universe: GoogleUniverse
    /// The project whose quota the requests use, if it is not that of the credentials.
    let quotaProject: String?

    static let keyVariable = "SB_KMS_GCP_KEY"
    static let previousKeysVariable = "SB_KMS_GCP_KEYS_PREVIOUS"
    static let endpointVariable = "SB_KMS_GCP_ENDPOINT"
    static let quotaProjectVariable = "GOOGLE_CLOUD_QUOTA_PROJECT"
    static let universeVariable = "GOOGLE_CLOUD_UNIVERSE_DOMAIN"
}

extension GCPSettings {
    /// Reads `SB_KMS_GCP_*`, and the variables of Google's client libraries.
    ///
    /// - Parameter credentials: The environment that names the credential file, whose universe is the default. Nil if another
    ///   identity is used. A file that cannot be read is reported at the first use, with its reason.
    static func load(
        from environment: Environment, credentials: Environment?
    ) throws(SettingError) -> GCPSettings {
        let universe = try universe(environment, credentials)
        let quotaProject = environment.value(quotaProjectVariable)
        guard quotaProject.map({ GCPKeyName.isProject($0) }) ?? true else {
            throw SettingError(
                variable: quotaProjectVariable, problem: "is not the id of a project, for example: my-project"
            )
        }
        return GCPSettings(
            key: try key(environment),
            address: try address(
                endpointVariable, in: environment, default: "https://cloudkms.\(universe.domain)"),
            universe: universe, quotaProject: quotaProject)
    }

    private static func universe(
        _ environment: Environment, _ credentials: Environment?
    ) throws(SettingError) -> GoogleUniverse {
        guard let text = environment.value(universeVariable) else {
            return credentials.flatMap { GoogleCredentialsFile.universe($0) } ?? .standard
        }
        guard let universe = GoogleUniverse(text) else {
            throw SettingError(
                variable: universeVariable, problem: "is not a domain, for example: googleapis.com")
        }
        return universe
    }

    /// Returns the settings of the keys in `SB_KMS_GCP_KEYS_PREVIOUS`, which unwrap and never wrap.
    func previousKeySettings(from environment: Environment) throws(SettingError) -> [GCPSettings] {
        let variable = Self.previousKeysVariable
        var list: [GCPSettings] = []
        for entry in (environment.value(variable) ?? "").split(separator: ",") {
            guard let key = GCPKeySetting(URLPath.trimming(" ", from: entry)) else {
                throw SettingError(
                    variable: variable,
                    problem:
                        "is not a list of resource names of keys, or of versions of asymmetric keys, for example: "
                        + GCPKeyName.example)
            }
            guard ([self] + list).allSatisfy({ $0.key.key != key.key }) else {
                throw SettingError(
                    variable: variable,
                    problem:
                        "lists \(key.key.text) twice, or it is the current key (\(Self.keyVariable)); list previous "
                        + "keys only, and one version of each")
            }
            var settings = self
            settings.key = key
            list.append(settings)
        }
        return list
    }

    private static func key(_ environment: Environment) throws(SettingError) -> GCPKeySetting {
        guard let text = environment.value(keyVariable) else {
            throw SettingError(
                variable: keyVariable,
                problem: "is not set; it names the key, for example: \(GCPKeyName.example)")
        }
        guard let key = GCPKeySetting(text) else {
            throw SettingError(
                variable: keyVariable,
                problem:
                    "is not the resource name of a key, or of a version of an asymmetric key, for example: "
                    + GCPKeyName.example)
        }
        return key
    }

    /// - Throws: `SettingError` if the setting is not a URL, or uses plain http to another machine.
    static func address(
        _ variable: String, in environment: Environment, default fallback: String
    ) throws(SettingError) -> ServerAddress {
        guard let address = ServerAddress(environment.value(variable) ?? fallback) else {
            throw SettingError(
                variable: variable,
                problem: "is not a URL of the form https://<host>[:<port>], for example: \(fallback)")
        }
        guard !address.isPlainHTTP || address.isLoopback else {
            throw SettingError(
                variable: variable,
                problem:
                    "uses plain http to another machine, which exposes data keys and tokens to the network; use https"
            )
        }
        return address
    }
}

/// The domain of a Google cloud, whose services have the names `<service>.<domain>`.
struct GoogleUniverse: Sendable, Equatable {
    let domain: String

    /// Google Cloud itself.
    static let standard = GoogleUniverse(validated: "googleapis.com")

    /// Returns nil if `text` is not a domain of at least two labels.
    init?(_ text: String) {
        let domain = text.lowercased()
        let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count >= 2, domain.utf8.count <= 200,
            labels.allSatisfy({ label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy {
                        UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0
                            || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: "-")
                    }
            })
        else { return nil }
        self.domain = domain
    }

    private init(validated domain: String) { self.domain = domain }
}
