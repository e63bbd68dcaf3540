import Cryptography
import FoundationEssentials
import YAML

/// The JSON in which instances, containers and programs hand out credentials. Stays in secret memory.
///
/// Source: AWS SDKs and Tools Reference Guide, "Container credential provider", "IMDS credential provider",
/// "Process credential provider".
struct AWSCredentialsDocument: Sendable {
    private let root: YAMLNode

    /// nil: not one JSON object.
    init?(_ body: borrowing SecretBytes) {
        guard let text = body.withUnsafeBytes({ SettingText.trimmedSecret($0) }),
            text.bytes.withUnsafeBytes({ $0.first == UInt8(ascii: "{") }),
            let documents = try? YAMLReader.documents(in: text.bytes, source: "credentials"),
            documents.count == 1, let root = documents.first, root.entries != nil
        else { return nil }
        self.root = root
    }

    /// `Code` where it is one: names of errors may be shown.
    var errorCode: String? { (root["Code"] ?? root["code"])?.string.flatMap { AWSErrorCode($0)?.text } }

    /// False: an error under a status of 200, as instances have it.
    var isSuccess: Bool { root["Code"] == nil || errorCode == "Success" }

    /// `Version` of what a program prints.
    var version: Int? { root["Version"]?.int }

    /// Errors: what is missing. `token`: how the source calls the session token, `needsExpiration`: whether
    /// it always says when its credentials end.
    func credentials(
        token tokenKey: String, needsExpiration: Bool, from source: String
    ) throws(AWSCredentialsError) -> AWSCredentials {
        func incomplete(_ what: String) -> AWSCredentialsError {
            AWSCredentialsError(.unavailable, "\(source): the answer has no \(what)")
        }
        guard let id = root["AccessKeyId"]?.nonEmptySecret else { throw incomplete("AccessKeyId") }
        guard let secret = root["SecretAccessKey"]?.nonEmptySecret else {
            throw incomplete("SecretAccessKey")
        }
        let token = root[tokenKey]?.nonEmptySecret
        guard token != nil || !needsExpiration else { throw incomplete(tokenKey) }
        var expiration: Date?
        if let node = root["Expiration"], !node.isNull {
            guard let date = node.string.flatMap(AWSTimestamp.date) else {
                throw AWSCredentialsError(
                    .unavailable, "\(source): the answer has an Expiration that is no RFC 3339 date")
            }
            expiration = date
        }
        guard expiration != nil || !needsExpiration else { throw incomplete("Expiration") }
        guard
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiration: expiration)
        else {
            throw AWSCredentialsError(.unavailable, "\(source): the answer has keys that no header can hold")
        }
        return credentials
    }
}

extension AWSCredentials {
    /// nil: the key id or the token is not visible ASCII, and could not stand in a header.
    init?(
        accessKeyID: SharedSecret, secretAccessKey: SharedSecret, sessionToken: SharedSecret?,
        expiration: Date? = nil
    ) {
        guard let id = HeaderValue.visibleASCII(accessKeyID.bytes),
            let secret = HeaderValue.visibleASCII(secretAccessKey.bytes)
        else { return nil }
        var token: SharedSecret?
        if let sessionToken {
            guard let word = HeaderValue.visibleASCII(sessionToken.bytes) else { return nil }
            token = word
        }
        self.init(
            accessKeyID: id.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) },
            secretAccessKey: secret, sessionToken: token, expiration: expiration)
    }
}

/// The name of an error, as AWS gives it: short and without anything that was sent.
struct AWSErrorCode: Equatable, Sendable {
    let text: String

    init?(_ text: String) {
        guard (3...64).contains(text.utf8.count),
            text.utf8.allSatisfy({
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".")
            })
        else { return nil }
        self.text = text
    }
}

enum AWSTimestamp {
    /// RFC 3339, with or without fractions of a second.
    static func date(_ text: String) -> Date? {
        (try? Date.ISO8601FormatStyle().parse(text))
            ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
    }
}
