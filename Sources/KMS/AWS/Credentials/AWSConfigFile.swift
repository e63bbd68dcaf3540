import Cryptography
import FoundationEssentials
import Settings
import System

/// A file of the shared configuration, `~/.aws/config` or `~/.aws/credentials`. Secret values stay in secret memory; only
/// names and other values become `String`.
struct AWSConfigFile: Sendable {
    struct Section: Sendable {
        /// The text between the brackets.
        let title: String
        var settings: [String: String] = [:]
        /// Indented settings below a key without a value: `kms =` and, on the next line, `endpoint_url = …`.
        var nested: [String: [String: String]] = [:]
        var secrets: [String: SharedSecret] = [:]
        /// The first line that cannot be parsed. It is an error only if the section is used.
        var parseError: AWSCredentialsError?

        /// Returns the section with the settings of `[DEFAULT]` that it does not have.
        func adding(_ defaults: Section?) -> Section {
            guard let defaults else { return self }
            var section = self
            func lacks(_ key: String) -> Bool { settings[key] == nil && nested[key] == nil }
            for (key, value) in defaults.settings where lacks(key) { section.settings[key] = value }
            for (key, value) in defaults.nested where lacks(key) { section.nested[key] = value }
            section.secrets.merge(defaults.secrets) { current, _ in current }
            section.parseError = parseError ?? defaults.parseError
            return section
        }
    }

    /// The keys with secret values, which are never in `settings`.
    static let secretKeys: Set = ["aws_secret_access_key", "aws_session_token", "aws_security_token"]
    private static let maximumSize = 1 << 20

    /// The sections without the settings of `[DEFAULT]`.
    let sections: [Section]
    /// `[DEFAULT]`, whose settings all sections have. A copy in each would take the memory of both numbers multiplied.
    let defaults: Section?

    /// Reads a file. A missing file counts as empty, as does a directory that a missing mount left in its place.
    ///
    /// - Throws: `AWSCredentialsError` if the file cannot be read, is not UTF-8, or has settings before its first section.
    init(path: String) throws(AWSCredentialsError) {
        // A file that cannot be examined counts as missing: a container's user often may not enter its home directory.
        guard let kind = try? FileKind(of: path), kind == .file || kind == .other else {
            self.init(sections: [], defaults: nil)
            return
        }
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: path, limit: Self.maximumSize)
        } catch {
            throw AWSCredentialsError(.misconfigured, "the AWS configuration cannot be read: \(error)")
        }
        try self.init(path: path, content: content)
    }

    init(path: String, content: borrowing SecretBytes) throws(AWSCredentialsError) {
        let parsed = try content.withUnsafeBytes { bytes throws(AWSCredentialsError) in
            guard !SettingText.isUTF16(bytes) else {
                throw AWSCredentialsError(.misconfigured, "\(path): is UTF-16; save it as UTF-8")
            }
            var parser = AWSConfigParser(path: path)
            return try parser.parse(SettingText.skippingByteOrderMark(bytes))
        }
        self.init(sections: parsed.sections, defaults: parsed.defaults)
    }

    private init(sections: [Section], defaults: Section?) {
        self.sections = sections
        self.defaults = defaults
    }
}
