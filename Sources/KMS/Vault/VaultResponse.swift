import Cryptography
import HTTP
import HTTPTypes
import YAML

/// What Vault said, whatever the status. Scalars stay in secret memory.
struct VaultResponse: Sendable {
    let status: Int
    let headerFields: HTTPFields
    /// nil: no body, or one that is not JSON.
    let body: YAMLNode?
    /// Whether a port for TLS answered in plain http, as Go's server and nginx do.
    let isFromTLSPort: Bool

    /// `body`: JSON, as Vault writes it; a proxy's page counts as none.
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
        let isObject = body.withUnsafeBytes { bytes in
            bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
        }
        let documents = isObject ? try? YAMLReader.documents(in: body, source: "Vault's answer") : nil
        self.body = documents?.count == 1 ? documents?.first : nil
    }

    var data: YAMLNode? { body?["data"] }

    /// Vault's reasons, joined. To be looked at, never to be shown.
    var errorText: String {
        (body?["errors"]?.elements ?? []).compactMap(\.string).joined(separator: "\n")
    }

    /// Whether Vault itself answered, and not something in front of it. Others have `errors` too, of another form.
    var isFromVault: Bool {
        if let errors = body?["errors"]?.elements { return errors.allSatisfy { $0.string != nil } }
        return body?["request_id"]?.string != nil
    }

    /// What answered, as far as it says so: `nginx`, `awselb/2.0`. To be shown.
    var senderName: String? {
        if body?["kind"]?.string == "Status", body?["apiVersion"] != nil { return "a Kubernetes API server" }
        let name = headerFields[.server] ?? headerFields[.via].map { "a proxy, via \($0)" }
        return name.flatMap { $0.isEmpty ? nil : $0.sanitizedName }
    }
}

extension YAMLNode {
    /// The bytes of a non-empty string.
    var nonEmptySecret: SharedSecret? {
        guard let scalar, scalar.valueType == .string, scalar.bytes.count > 0 else { return nil }
        return scalar.bytes
    }
}

extension HTTPField.Name {
    static let via = HTTPField.Name("Via") ?? .server
}
