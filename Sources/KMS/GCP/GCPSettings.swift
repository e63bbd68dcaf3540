import Envelope
import Settings

/// The validated settings of the gcp-kms backend.
struct GCPSettings: Sendable {
    let key: GCPKeyName
    let address: ServerAddress
    /// `googleapis.com`, or the domain of another Google cloud.
    let universe: GoogleUniverse
    /// The project whose quota the requests use, if it is not that of the credentials.
    let quotaProject: String?

    static let keyVariable = "SB_KMS_GCP_KEY"
    static let endpointVariable = "SB_KMS_GCP_ENDPOINT"
    static let quotaProjectVariable = "GOOGLE_CLOUD_QUOTA_PROJECT"
    static let universeVariable = "GOOGLE_CLOUD_UNIVERSE_DOMAIN"
}

extension GCPSettings {
    /// Reads `SB_KMS_GCP_*`, and the variables of Google's client libraries.
    static func load(from environment: Environment) throws(SettingError) -> GCPSettings {
        try GCPSettings(
            GCPSettingSource(
                key: (keyVariable, environment.value(keyVariable)),
                endpoint: (endpointVariable, environment.value(endpointVariable)),
                quotaProject: (quotaProjectVariable, environment.value(quotaProjectVariable)),
                universe: (universeVariable, environment.value(universeVariable)),
                // A file that cannot be read is reported at the first use, with its reason.
                universeOfCredentials: GoogleCredentialsFile.universe(environment)))
    }

    /// Reads the fields of a provider. Those that are not set have the default, and not the value of the environment, which
    /// belongs to another key.
    init(provider settings: KeyProviderSettings, credentials environment: Environment?) throws(SettingError) {
        func field(_ name: String) -> (name: String, value: String?) {
            (name, settings.values[name].flatMap { $0.isEmpty ? nil : $0 })
        }
        try self.init(
            GCPSettingSource(
                key: field("key"), endpoint: field("endpoint"), quotaProject: field("quotaProject"),
                universe: field("universeDomain"),
                universeOfCredentials: environment.flatMap { GoogleCredentialsFile.universe($0) }))
    }

    private init(_ source: GCPSettingSource) throws(SettingError) {
        key = try Self.key(source.key)
        if let universe = source.universe.value {
            guard let valid = GoogleUniverse(universe) else {
                throw SettingError(
                    variable: source.universe.name,
                    problem: "is not a domain, for example: googleapis.com")
            }
            self.universe = valid
        } else {
            universe = source.universeOfCredentials ?? .standard
        }
        address = try Self.address(source.endpoint, default: "https://cloudkms.\(universe.domain)")
        quotaProject = source.quotaProject.value
        guard quotaProject.map({ GCPKeyName.isProject($0) }) ?? true else {
            throw SettingError(
                variable: source.quotaProject.name,
                problem: "is not the id of a project, for example: my-project"
            )
        }
    }

    private static func key(_ setting: (name: String, value: String?)) throws(SettingError) -> GCPKeyName {
        guard let text = setting.value else {
            throw SettingError(
                variable: setting.name,
                problem: "is not set; it names the key, for example: \(GCPKeyName.example)")
        }
        guard let key = GCPKeyName(text) else {
            throw SettingError(
                variable: setting.name,
                problem: text.contains("/cryptoKeyVersions")
                    ? "names a version; name the key, whose primary version wraps"
                    : "is not the resource name of a key, for example: \(GCPKeyName.example)")
        }
        return key
    }

    /// - Throws: `SettingError` if the setting is not a URL, or uses plain http to another machine.
    static func address(
        _ setting: (name: String, value: String?), default fallback: String
    ) throws(SettingError) -> ServerAddress {
        guard let address = ServerAddress(setting.value ?? fallback) else {
            throw SettingError(
                variable: setting.name,
                problem: "is not a URL of the form https://<host>[:<port>], for example: \(fallback)")
        }
        guard !address.isPlainHTTP || address.isLoopback else {
            throw SettingError(
                variable: setting.name,
                problem:
                    "uses plain http to another machine, which exposes data keys and tokens to the network; use https"
            )
        }
        return address
    }
}

/// The settings before validation, each with the name that messages use.
private struct GCPSettingSource {
    typealias Setting = (name: String, value: String?)

    let key: Setting
    let endpoint: Setting
    let quotaProject: Setting
    let universe: Setting
    let universeOfCredentials: GoogleUniverse?
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
