import Cryptography
import HTTP
import HTTPTypes
import JSON
import System

/// A response of Vault, or of a proxy before it, of any status. Its strings stay in secret memory.
struct VaultResponse: Sendable {
    let status: Int
    let headerFields: HTTPFields
    /// Nil if there is no body or it is not JSON.
    let body: JSONValue?
    /// True if a port for TLS responded in plain http, as those of Go's server and nginx do.
    let isFromTLSPort: Bool

    init(_ head: HTTPResponseHead, body: borrowing SecretBytes) {
        status = head.status.code
        headerFields = head.fields
        isFromTLSPort =
            status == 400
            && body.withUnsafeBytes { bytes in
                let text = String(decoding: bytes.prefix(1024), as: UTF8.self)
                return text.hasPrefix("Client sent an HTTP request to an HTTPS server")
                    || text.contains("plain HTTP request was sent to HTTPS port")
            }
        self.body = try? JSONValue(parsing: body)
    }

    var isSuccess: Bool { 200..<300 ~= status }

    var data: JSONValue? { body?["data"] }

    /// The errors that Vault reports, joined. They are classified and never shown, as they can quote the request.
    var errorText: String {
        (body?["errors"]?.elements ?? []).compactMap(\.string).joined(separator: "\n")
    }

    /// True if Vault itself sent the response, and not a proxy before it, whose bodies may have an `errors` field of another
    /// form.
    var isFromVault: Bool {
        if let errors = body?["errors"]?.elements { return errors.allSatisfy { $0.string != nil } }
        return body?["request_id"]?.string != nil
    }

    /// The name of the server that sent the response, as far as it gives one: `nginx`, `awselb/2.0`. For messages.
    var senderName: String? {
        if body?["kind"]?.string == "Status", body?["apiVersion"] != nil { return "a Kubernetes API server" }
        let name = headerFields[.server] ?? headerFields[.via].map { "a proxy, via \($0)" }
        return name.flatMap { $0.isEmpty ? nil : $0.sanitizedName }
    }
}

/// The target of a redirect. It is shown, without its query, and never followed.
struct VaultRedirect: Equatable {
    /// `https://vault.example.com/login`, on one line.
    let displayURL: String
    /// The value of `SB_KMS_VAULT_ADDR` that leads to the target, or nil if the target is not the API that was requested.
    let vaultAddress: String?
    /// True if the target is plain http and the request was https: the token could be read on the way.
    let downgradesToHTTP: Bool

    /// Returns nil if there is no location, or it is the requested URL.
    ///
    /// - Parameters:
    ///   - location: The header field, a relative or an absolute URL.
    ///   - path: The path of the request, below `/v1/`.
    init?(_ location: String, from origin: ServerAddress, path: String) {
        let text = location.prefix { $0 != "?" && $0 != "#" }
        guard !location.isEmpty else { return nil }
        let root = origin.url.dropLast(origin.pathPrefix.utf8.count)
        var url: String
        if text.hasPrefix("//") {
            url = (origin.isPlainHTTP ? "http:" : "https:") + text
        } else if text.contains("://") {
            url = String(text)
        } else {
            url = root + (text.hasPrefix("/") ? "" : "/") + text
        }
        // Credentials in a URL are not shown.
        if let authority = url.firstRange(of: "://")?.upperBound {
            let end = url[authority...].firstIndex(of: "/") ?? url.endIndex
            if let at = url[authority..<end].lastIndex(of: "@") { url.removeSubrange(authority...at) }
        }
        displayURL = url.sanitizedName
        downgradesToHTTP = !origin.isPlainHTTP && url.lowercased().hasPrefix("http://")
        guard url.hasSuffix("/v1/\(path)"),
            let target = ServerAddress(String(url.dropLast(path.utf8.count + 4)))
        else {
            vaultAddress = nil
            return
        }
        guard target.origin != origin.origin || target.pathPrefix != origin.pathPrefix else { return nil }
        vaultAddress = target.url
    }
}

extension HTTPField.Name {
    static let via = HTTPField.Name("Via") ?? .server
}
