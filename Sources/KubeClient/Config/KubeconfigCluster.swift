import HTTP
import YAML

/// Validates those fields of a kubeconfig's cluster that are not plain strings.
enum KubeconfigCluster {
    /// Returns the URL of the server without a slash at the end. A bare `host:port` means https, as in client-go with TLS
    /// settings. A query and a fragment are dropped, as in client-go. A user name and password, which client-go would
    /// send, are refused.
    static func server(of cluster: KubeconfigFields) throws(ConfigurationError) -> String {
        var server = try cluster.required("server")
        if !server.contains("://") { server = "https://\(server)" }
        guard isURL(server, schemes: ["https", "http"]), let scheme = server.firstRange(of: "://") else {
            throw cluster.error(.invalid, "server", "is not a URL; expected https://HOST:PORT")
        }
        let authority = server[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        let end = server.firstIndex { $0 == "?" || $0 == "#" } ?? server.endIndex
        guard !authority.contains("@"), !server[end...].contains("@") else {
            throw cluster.error(
                .invalid, "server",
                "holds a user name or password, which a URL must not contain; put them into the user's fields "
                    + "username and password")
        }
        do throws(ProxyURL.Problem) {
            try ProxyURL.checkHostAndPort(authority)
        } catch {
            throw cluster.error(
                .invalid, "server",
                error == .port
                    ? "has no valid port (1 to 65535); expected https://HOST:PORT"
                    : "has no valid host; expected https://HOST:PORT")
        }
        server = String(server[..<end])
        while server.hasSuffix("/") { server.removeLast() }
        return server
    }

    /// Returns the name that the server's certificate must have.
    static func serverName(of cluster: KubeconfigFields) throws(ConfigurationError) -> String? {
        let field = "tls-server-name"
        guard let name = try cluster.string(field) else { return nil }
        guard ProxyURL.isHost(name) else {
            throw cluster.error(
                .invalid, field,
                "is not the name of a server, without scheme and port; for example: kubernetes.default.svc")
        }
        return name
    }

    /// Returns the URL of the proxy. Errors do not quote it, as it may contain a password.
    static func proxy(of cluster: KubeconfigFields) throws(ConfigurationError) -> String? {
        let field = "proxy-url"
        guard let proxy = try cluster.string(field) else { return nil }
        do throws(ProxyURL.Problem) {
            let parsed = try ProxyURL(proxy)
            guard isURL(proxy, schemes: ["http", "https", "socks5", "socks5h"]) else { throw .scheme }
            return parsed.text
        } catch {
            throw cluster.error(.invalid, field, error.description)
        }
    }

    /// Returns the CA certificates of a field, without damaged ones, or nil if the field is not set.
    static func authorities(
        _ field: String, of fields: KubeconfigFields
    ) throws(ConfigurationError) -> CertificatePool? {
        guard let content = try fields.content(field) else { return nil }
        return try fields.certificates(in: content, of: field)
    }

    /// Returns the extension of the cluster that exec plugins get as `config`.
    static func execExtension(of cluster: KubeconfigFields) throws(ConfigurationError) -> YAMLNode? {
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
