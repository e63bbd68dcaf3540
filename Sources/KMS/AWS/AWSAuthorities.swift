extension TLSSettings {
    /// The CAs that AWS's services are verified with: those of AWS_CA_BUNDLE, else of the active profile's `ca_bundle`. As
    /// botocore has it, they are for KMS and for the services that credentials come from.
    static func aws(
        _ environment: Environment, profile: [String: String]
    ) throws(SettingError) -> TLSSettings {
        let source: SettingSource
        if let path = environment.value("AWS_CA_BUNDLE") {
            source = SettingSource(value: path, variable: "AWS_CA_BUNDLE")
        } else if let path = profile["ca_bundle"], !path.isEmpty {
            source = SettingSource(value: path, variable: "ca_bundle (of the AWS profile)")
        } else {
            return TLSSettings()
        }
        guard let path = environment.expandingHome(source.value) else {
            throw SettingError(variable: source.variable, problem: "begins with ~, and HOME is not set")
        }
        return TLSSettings(
            trustedCAs: .paths(file: SettingSource(value: path, variable: source.variable), folder: nil))
    }
}
