import Cryptography
import FoundationEssentials
import Glibc
import System
import YAML

/// A sign-in with IAM Identity Center as `aws sso login` keeps it: one JSON file, shared with all SDKs.
///
/// Source: AWS SDKs and Tools Reference Guide, "Understand IAM Identity Center authentication"; the names of
/// the files, and what is in them, are botocore's.
struct AWSSSOToken: Sendable {
    let accessToken: SharedSecret
    let expiration: Date
    /// What a refresh needs; nil: one of it is missing.
    let refreshGrant: RefreshGrant?
    private let content: YAMLNode

    struct RefreshGrant: Sendable {
        let clientID: SecretText
        let clientSecret: SecretText
        let refreshToken: SecretText
        /// Of the registration of the client, after which there is no refresh.
        let registrationExpiration: Date
    }

    /// `~/.aws/sso/cache/<sha1>.json`; nil where there is no HOME.
    static func path(for signOn: AWSSSOSettings, _ environment: Environment) -> String? {
        guard let home = environment.value("HOME"),
            let name = try? sha1(Array((signOn.session ?? signOn.startURL).utf8))
        else { return nil }
        return "\(home)/.aws/sso/cache/\(hex(name)).json"
    }

    /// nil: the file is not there, or is no sign-in.
    init?(contentsOf path: String) {
        guard let file = try? SecretBytes(contentsOfFile: path, limit: 256 * 1024),
            let text = file.withUnsafeBytes({ SettingText.trimmedSecret($0) }),
            let documents = try? YAMLReader.documents(in: text.bytes, source: path),
            let root = documents.first,
            let token = root["accessToken"]?.nonEmptySecret.flatMap({ HeaderValue.visibleASCII($0.bytes) }),
            let expiration = root["expiresAt"]?.string.flatMap(Self.date)
        else { return nil }
        content = root
        accessToken = token
        self.expiration = expiration
        if let id = root["clientId"]?.nonEmptySecret.flatMap({ SecretText($0) }),
            let secret = root["clientSecret"]?.nonEmptySecret.flatMap({ SecretText($0) }),
            let refresh = root["refreshToken"]?.nonEmptySecret.flatMap({ SecretText($0) }),
            let end = root["registrationExpiresAt"]?.string.flatMap(Self.date)
        {
            refreshGrant = RefreshGrant(
                clientID: id, clientSecret: secret, refreshToken: refresh, registrationExpiration: end)
        } else {
            refreshGrant = nil
        }
    }

    /// The file's new content: everything else stays as it was.
    func updatedFile(accessToken: SecretText, expiration: Date, refreshToken: SecretText?) -> SecretBytes {
        var new: [(key: String, value: JSONValue)] = [
            ("accessToken", .secret(accessToken)),
            ("expiresAt", .string(Date.ISO8601FormatStyle().format(expiration))),
        ]
        if let refreshToken { new.append(("refreshToken", .secret(refreshToken))) }
        let kept = (content.entries ?? []).filter { entry in !new.contains { $0.key == entry.key } }
        return JSONWriter.write([.object(kept.map { ($0.key, JSONValue($0.value)) } + new)])
    }

    /// Older files end their dates with `UTC`.
    private static func date(_ text: String) -> Date? {
        AWSTimestamp.date(text.hasSuffix("UTC") ? text.dropLast(3) + "Z" : text)
    }
}

/// A file that replaces another in one step. Made before what goes into it is fetched: a token that cannot be
/// kept must not be spent.
final class AWSSSOTokenWriter: Sendable {
    private let target: String
    private let path: String
    private let descriptor: Int32

    /// nil: the folder cannot be written to.
    init?(for target: String) {
        self.target = target
        path = "\(target).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
    }

    /// Whether the file is in its place now.
    func commit(_ content: borrowing SecretBytes) -> Bool {
        let isWritten = content.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
        return isWritten && rename(path, target) == 0
    }

    deinit {
        // After a commit there is nothing under this name.
        unlink(path)
        close(descriptor)
    }
}
