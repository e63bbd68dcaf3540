import Cryptography
import FoundationEssentials
import Glibc
import JSON
import Settings
import System

/// A cached token of IAM Identity Center: a JSON file that `aws sso login` writes and all SDKs share.
///
/// Source: AWS SDKs and Tools Reference Guide, "Understand IAM Identity Center authentication". File names and fields are
/// those of botocore.
struct AWSSSOToken: Sendable {
    let accessToken: SharedSecret
    let expiration: Date
    /// Nil if the file lacks a field that a refresh needs.
    let refreshGrant: RefreshGrant?
    private let content: JSONValue

    struct RefreshGrant: Sendable {
        let clientID: SecretText
        let clientSecret: SecretText
        let refreshToken: SecretText
        /// The end of the client's registration, after which it cannot refresh tokens.
        let registrationExpiration: Date
    }

    /// Returns `~/.aws/sso/cache/<sha1>.json`, or nil if HOME is not set.
    static func path(for settings: AWSSSOSettings, _ environment: Environment) -> String? {
        guard let home = environment.value("HOME"),
            let name = try? sha1(Array((settings.session ?? settings.startURL).utf8))
        else { return nil }
        return "\(home)/.aws/sso/cache/\(hex(name)).json"
    }

    /// Returns nil if the file does not exist, or has no token.
    init?(contentsOf path: String) {
        guard let file = try? SecretBytes(contentsOfFile: path, limit: 256 * 1024),
            let root = try? JSONValue(parsing: file),
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

    /// Returns the file's new content, in which other fields stay as they are.
    func updatedFile(accessToken: SecretText, expiration: Date, refreshToken: SecretText?) -> SecretBytes {
        var new: [(key: String, value: JSONValue)] = [
            ("accessToken", .secret(accessToken)),
            ("expiresAt", .string(Date.ISO8601FormatStyle().format(expiration))),
        ]
        if let refreshToken { new.append(("refreshToken", .secret(refreshToken))) }
        let kept = (content.members ?? []).filter { entry in !new.contains { $0.key == entry.key } }
        return JSONWriter.write([.object(kept.map { ($0.key, $0.value) } + new)])
    }

    /// Parses a date, which ends in `UTC` in older files.
    private static func date(_ text: String) -> Date? {
        RFC3339.date(text.hasSuffix("UTC") ? text.dropLast(3) + "Z" : text)
    }
}

/// Replaces the cached token in one step. The new file is created before the token is refreshed: a refresh token serves
/// once, and must not be used if the result cannot be stored.
final class AWSSSOTokenWriter: Sendable {
    private let target: String
    private let path: String
    private let descriptor: Int32

    /// Returns nil if the directory is not writable.
    init?(for target: String) {
        self.target = target
        path = "\(target).\(getpid()).\(UInt32.random(in: 0 ... .max))"
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
    }

    /// - Returns: True if the new file is in place.
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
        // After a commit, no file has this name.
        unlink(path)
        close(descriptor)
    }
}
