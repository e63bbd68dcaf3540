import Cryptography
import FoundationEssentials
import JSON
import Settings
import System

/// The JSON in which instance metadata, container agents and programs return credentials. It stays in secret memory.
///
/// Source: AWS SDKs and Tools Reference Guide, "Container credential provider", "IMDS credential provider",
/// "Process credential provider".
struct AWSCredentialsDocument: Sendable {
    private let root: JSONValue

    /// Returns nil if `body` is not one JSON object.
    init?(_ body: borrowing SecretBytes) {
        guard let root = try? JSONValue(parsing: body), root.members != nil else { return nil }
        self.root = root
    }

    /// The `Code`, if it has the form of an error code, which may be shown.
    var errorCode: String? { (root["Code"] ?? root["code"])?.string.flatMap { AWSErrorCode($0)?.text } }

    /// False for an error that instance metadata sends with status 200.
    var isSuccess: Bool { root["Code"] == nil || errorCode == "Success" }

    /// The `Version` of a program's output.
    var version: Int? { root["Version"]?.int }

    /// - Parameters:
    ///   - tokenKey: The source's name for the session token.
    ///   - needsExpiration: True if the source issues temporary credentials only.
    ///   - source: The source's name in messages.
    /// - Throws: `AWSCredentialsError` naming the first field that is missing or invalid.
    func credentials(
        token tokenKey: String, needsExpiration: Bool, from source: String
    ) throws(AWSCredentialsError) -> AWSCredentials {
        func incomplete(_ key: String) -> AWSCredentialsError {
            AWSCredentialsError(.unavailable, "\(source): the response has no \(key)")
        }
        guard let id = root["AccessKeyId"]?.nonEmptySecret else { throw incomplete("AccessKeyId") }
        guard let secret = root["SecretAccessKey"]?.nonEmptySecret else {
            throw incomplete("SecretAccessKey")
        }
        let token = root[tokenKey]?.nonEmptySecret
        guard token != nil || !needsExpiration else { throw incomplete(tokenKey) }
        var expiration: Date?
        if let node = root["Expiration"], !node.isNull {
            guard let date = node.string.flatMap(RFC3339.date) else {
                throw AWSCredentialsError(
                    .unavailable, "\(source): the response has an Expiration that is not an RFC 3339 date")
            }
            expiration = date
        }
        guard expiration != nil || !needsExpiration else { throw incomplete("Expiration") }
        guard
            let credentials = AWSCredentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiration: expiration)
        else {
            throw AWSCredentialsError(
                .unavailable, "\(source): the response has keys with characters that are invalid in a header")
        }
        return credentials
    }
}

extension AWSCredentials {
    /// Returns nil if a value is not visible ASCII, and so is invalid in a header.
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

/// An error code of AWS that is safe to show: it is short, and contains nothing of the request.
struct AWSErrorCode: Equatable, Sendable {
    let text: String

    init?(_ text: String) {
        guard (3...64).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: ".") })
        else { return nil }
        self.text = text
    }
}
