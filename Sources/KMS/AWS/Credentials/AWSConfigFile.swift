import Cryptography
import FoundationEssentials
import System

/// A file of the shared configuration, `~/.aws/config` or `~/.aws/credentials`, in secret memory: of what a file holds,
/// only names and the values that are no secrets become `String`. `AWSConfigParser` has the format.
struct AWSConfigFile: Sendable {
    struct Section: Sendable {
        /// As written between the brackets.
        let title: String
        var settings: [String: String] = [:]
        /// Below a key without a value: `kms =` and, indented, `endpoint_url = …`.
        var nested: [String: [String: String]] = [:]
        var secrets: [String: SharedSecret] = [:]
        /// The first line that cannot be read. It is an error where the section is needed, and only there.
        var parseError: AWSCredentialsError?
    }

    /// Keys whose values are never in `settings`.
    static let secretKeys: Set = ["aws_secret_access_key", "aws_session_token", "aws_security_token"]
    private static let maximumSize = 1 << 20

    let sections: [Section]

    /// Reads a file. One that is not there is empty, as is a folder in its place, which a missing mount leaves behind.
    ///
    /// Errors: it cannot be read, is no UTF-8, or starts with settings of no section.
    init(path: String) throws(AWSCredentialsError) {
        // Not to be seen counts too: the home of a container's user is often somebody else's.
        guard let kind = try? FileKind(of: path), kind == .file || kind == .other else {
            self.init(sections: [])
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
        let sections = try content.withUnsafeBytes { bytes throws(AWSCredentialsError) in
            guard !SettingText.isUTF16(bytes) else {
                throw AWSCredentialsError(.misconfigured, "\(path): is UTF-16; save it as UTF-8")
            }
            var parser = AWSConfigParser(path: path)
            return try parser.parse(SettingText.skippingByteOrderMark(bytes))
        }
        self.init(sections: sections)
    }

    private init(sections: [Section]) {
        self.sections = sections
    }
}
