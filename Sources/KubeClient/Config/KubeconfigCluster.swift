import Primitives
import YAML

/// The fields of a cluster that take more than reading.
enum KubeconfigCluster {
    /// Without a slash at the end. A bare `host:port` means https, as in client-go with TLS settings.
    static func server(of cluster: KubeconfigFields) throws(ConfigurationError) -> String {
        var server = try cluster.required("server")
        if !server.contains("://") { server = "https://\(server)" }
        while server.hasSuffix("/") { server.removeLast() }
        guard isURL(server, schemes: ["https", "http"]) else {
            throw cluster.error(.invalid, "server", "is no URL; expected https://HOST:PORT")
        }
        return server
    }

    static func proxy(of cluster: KubeconfigFields) throws(ConfigurationError) -> String? {
        guard let proxy = try cluster.string("proxy-url") else { return nil }
        guard isURL(proxy, schemes: ["http", "https", "socks5", "socks5h"]) else {
            throw cluster.error(
                .invalid, "proxy-url", "is no proxy's URL; expected http://, https:// or socks5://HOST:PORT")
        }
        return proxy
    }

    /// The CAs of a field, without damaged ones; nil: the field is not set.
    static func authorities(
        _ field: String, of fields: KubeconfigFields
    ) throws(ConfigurationError) -> CertificatePool? {
        guard let content = try fields.content(field) else { return nil }
        let name = fields.contentName(field)
        var pool = CertificatePool()
        guard pool.add(content.bytes, from: fields.place(name)) > 0 else {
            throw pool.warnings.first.map { ConfigurationError(.invalid, $0) }
                ?? fields.error(
                    .invalid, name, "holds no PEM certificate; expected -----BEGIN CERTIFICATE-----")
        }
        return pool
    }

    /// What plugins are told as `config`: cluster.extensions, where the name is the group with `/exec`.
    static func execExtension(of cluster: KubeconfigFields) throws(ConfigurationError) -> Node? {
        let entry = try cluster.list("extensions").first {
            $0["name"]?.string == "client.authentication.k8s.io/exec"
        }
        return entry?["extension"]
    }

    private static func isURL(_ text: String, schemes: [String]) -> Bool {
        let start = text.lowercased()
        guard let scheme = schemes.first(where: { start.hasPrefix("\($0)://") }) else { return false }
        let rest = text.dropFirst(scheme.count + 3)
        return rest.first.map { $0 != "/" } == true && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
