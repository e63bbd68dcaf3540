import Cryptography
import FoundationEssentials
import YAML

/// The ExecCredential object in both directions: to the plugin in `KUBERNETES_EXEC_INFO`, from it on standard
/// output.
enum ExecCredentialMessage {
    typealias Status = RenewableCredential.Issued

    static func request(to plugin: ExecPlugin) -> String {
        var spec: [(key: String, value: JSONValue)] = []
        if let cluster = plugin.cluster { spec.append(("cluster", cluster.value)) }
        spec.append(("interactive", .bool(plugin.isInteractive)))
        let object: JSONValue = [
            "kind": "ExecCredential", "apiVersion": .string(plugin.version.rawValue), "spec": .object(spec),
        ]
        return JSONWriter.write([object]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    static func status(
        in output: borrowing SecretBytes, from plugin: ExecPlugin
    ) throws(ConfigurationError) -> Status {
        let object = try parse(output, from: plugin)
        let version = object["apiVersion"]?.string
        guard object["kind"]?.string == "ExecCredential", version == plugin.version.rawValue else {
            throw plugin.error(
                "\(plugin.command) answered with another kind or version than ExecCredential of "
                    + "\(plugin.version.rawValue); set apiVersion to the one it speaks")
        }
        let status = object["status"]
        let token = status?["token"]?.scalar.flatMap { $0.valueType == .string ? $0.bytes : nil }
        let authorization = token.flatMap { AuthorizationHeader.bearer($0.bytes) }
        guard token == nil || token?.count == 0 || authorization != nil else {
            throw plugin.error("\(plugin.command) gave a token with characters that no header may hold")
        }
        let certificate = status?["clientCertificateData"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        let key = status?["clientKeyData"]?.scalar.flatMap { $0.bytes.count == 0 ? nil : $0.bytes }
        guard (certificate == nil) == (key == nil) else {
            throw plugin.error("\(plugin.command) gave a client certificate or its key, but not both")
        }
        guard authorization != nil || certificate != nil else {
            throw plugin.error("\(plugin.command) gave neither a token nor a client certificate")
        }
        var clientCertificate: ClusterConfiguration.ClientCertificate?
        if let certificate, let key {
            do throws(TLSClientIdentity.IdentityError) {
                clientCertificate = .init(
                    try TLSClientIdentity(certificate: Array(certificate.utf8), key: key))
            } catch {
                let field = error.concernsKey ? "clientKeyData" : "clientCertificateData"
                throw plugin.error("\(field) of \(plugin.command) \(error)")
            }
        }
        return Status(
            authorization: authorization, clientCertificate: clientCertificate,
            expiration: try expiration(status?["expirationTimestamp"], from: plugin))
    }

    private static func parse(
        _ output: borrowing SecretBytes, from plugin: ExecPlugin
    ) throws(ConfigurationError) -> YAMLNode {
        do throws(YAMLError) {
            let documents = try YAMLReader.documents(in: output, source: "\(plugin.command) (output)")
            if let object = documents.first, documents.count == 1 { return object }
        } catch {
            throw plugin.error("the output is no ExecCredential: \(error)")
        }
        throw plugin.error("\(plugin.command) printed no ExecCredential, or several; expected one")
    }

    /// RFC 3339.
    private static func expiration(
        _ node: YAMLNode?, from plugin: ExecPlugin
    ) throws(ConfigurationError) -> Date? {
        guard let node, !node.isNull else { return nil }
        let style = Date.ISO8601FormatStyle()
        let text = node.string ?? ""
        if let date = try? style.parse(text) { return date }
        if let date = try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text) {
            return date
        }
        throw plugin.error("\(plugin.command) gave an expirationTimestamp that is not RFC 3339")
    }
}
