import Cryptography
import HTTPTypes
import JSON

/// The challenge of a vault, which says for which resource and of which tenant an access token has to be.
///
/// Source: Azure Key Vault, "Authentication, requests and responses"; RFC 9110, section 11.6.1.
struct AzureChallenge: Sendable, Equatable {
    /// `https://vault.azure.net`
    let resource: String
    /// The tenant of the vault, or nil if the challenge names none.
    let tenant: String?

    /// Reads the challenge of a 401.
    ///
    /// - Throws: `CloudError` if there is none, or if its resource is of another server: a token for that must not be sent to
    ///   this vault, and a token for the vault must not be requested in another name.
    init(_ fields: HTTPFields, from vault: AzureVault) throws(CloudError) {
        let service = AzureKeyVaultService(vault: vault).name
        let found = AuthenticationChallenge.parse(fields[.wwwAuthenticate] ?? "").first { challenge in
            challenge.scheme == "bearer"
                && (challenge.parameters["resource"] ?? challenge.parameters["scope"]) != nil
        }
        guard let parameters = found?.parameters,
            var resource = parameters["resource"] ?? parameters["scope"]
        else {
            throw CloudError(
                .misconfigured,
                "\(service) does not say which access token it accepts; check the vault's URL and the proxy")
        }
        if resource.hasSuffix("/.default") { resource = String(resource.dropLast("/.default".count)) }
        guard let address = ServerAddress(resource), vault.isBelow(address) else {
            throw CloudError(
                .misconfigured,
                "\(service) asks for an access token of another service; no token was sent; check the vault's URL"
            )
        }
        self.resource = address.url
        let authority = parameters["authorization"] ?? parameters["authorization_uri"] ?? ""
        let parts = authority.split(separator: "/", omittingEmptySubsequences: false)
        tenant = parts.count >= 4 && AzureIdentifier.isTenant(parts[3]) ? String(parts[3]) : nil
    }

    /// Returns the claims that a 401 demands (continuous access evaluation), as a JSON object.
    static func claims(in fields: HTTPFields) -> JSONValue? {
        let challenge = AuthenticationChallenge.parse(fields[.wwwAuthenticate] ?? "").first { challenge in
            challenge.scheme == "bearer" && challenge.parameters["error"] == "insufficient_claims"
        }
        // The padding is optional.
        guard let encoded = challenge?.parameters["claims"],
            let bytes = Array(URLPath.trimming("=", from: encoded).utf8).withBytes({ text in
                try? Base64URL.decodeSecret(text)
            }), let claims = try? JSONValue(parsing: bytes), claims.members != nil
        else { return nil }
        return claims
    }
}

/// One challenge of a `WWW-Authenticate` field (RFC 9110, section 11.6.1), with its scheme and the names of its parameters in
/// lower case.
struct AuthenticationChallenge: Sendable, Equatable {
    var scheme: String
    var parameters: [String: String] = [:]

    private static let maximumLength = 16 * 1024

    /// Returns the challenges that can be read. What cannot be read is skipped.
    static func parse(_ text: String) -> [AuthenticationChallenge] {
        var challenges: [AuthenticationChallenge] = []
        var rest = text.utf8.prefix(maximumLength)[...]
        while true {
            rest = rest.drop {
                $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\t")
            }
            let word = rest.prefix { !" \t,=\"".utf8.contains($0) }
            guard !word.isEmpty else {
                guard rest.popFirst() != nil else { return challenges }
                continue
            }
            rest = rest.dropFirst(word.count)
            let name = String(decoding: word, as: UTF8.self).lowercased()
            let afterBlanks = rest.drop { $0 == UInt8(ascii: " ") }
            guard afterBlanks.first == UInt8(ascii: "=") else {
                challenges.append(AuthenticationChallenge(scheme: name))
                continue
            }
            rest = afterBlanks.dropFirst().drop { $0 == UInt8(ascii: " ") }
            let value = readValue(&rest)
            guard !challenges.isEmpty else { continue }
            let last = challenges.count - 1
            if challenges[last].parameters[name] == nil { challenges[last].parameters[name] = value }
        }
    }

    /// Reads a token or a quoted string.
    private static func readValue(_ rest: inout Substring.UTF8View.SubSequence) -> String {
        guard rest.first == UInt8(ascii: "\"") else {
            let token = rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: " ") }
            rest = rest.dropFirst(token.count)
            return String(decoding: token, as: UTF8.self)
        }
        rest = rest.dropFirst()
        var bytes: [UInt8] = []
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            bytes.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
