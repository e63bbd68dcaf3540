/// Which proxy the environment asks for, decided here rather than in libcurl so that a TLS server name and
/// a changing environment do not matter.
///
/// As kubectl (Go's httpproxy) and curl do: `https_proxy`/`HTTPS_PROXY` for https, `http_proxy`/
/// `HTTP_PROXY` for http (upper case not in a CGI, that is with REQUEST_METHOD set), else `all_proxy`/
/// `ALL_PROXY`; lower case wins; an empty value means none. Loopback hosts are never proxied. `no_proxy`/
/// `NO_PROXY` is a comma-separated list of `*`, addresses, CIDR blocks, `example.com` (with subdomains) and
/// `.example.com` (subdomains alone), each with an optional `:port`.
package struct ProxyEnvironment: Sendable {
    private let https: String?
    private let http: String?
    private let exceptions: [Exception]

    package init(_ environment: [String: String]) {
        func value(_ lower: String, _ upper: String?) -> String? {
            environment[lower] ?? upper.flatMap { environment[$0] }
        }
        func nonEmpty(_ text: String?) -> String? { text?.isEmpty == true ? nil : text }
        let all = value("all_proxy", "ALL_PROXY")
        let isCGI = environment["REQUEST_METHOD"] != nil
        https = nonEmpty(value("https_proxy", "HTTPS_PROXY") ?? all)
        http = nonEmpty(value("http_proxy", isCGI ? nil : "HTTP_PROXY") ?? all)
        exceptions = (value("no_proxy", "NO_PROXY") ?? "")
            .split { $0 == "," || $0 == " " }.compactMap { Exception($0.lowercased()) }
    }

    /// nil: connect directly.
    package func proxy(scheme: String, host: String, port: Int) -> String? {
        let host = host.lowercased()
        guard let proxy = scheme == "https" ? https : http, !IPAddress.isLoopback(host: host) else {
            return nil
        }
        return exceptions.contains { $0.matches(host: host, port: port) } ? nil : proxy
    }

    private struct Exception {
        enum Pattern {
            case everything
            case network(IPAddress, bits: Int)
            case domain(String)
            case subdomains(of: String)
        }
        let pattern: Pattern
        let port: Int?

        init?(_ entry: String) {
            var name = Substring(entry)
            var port: Int?
            // An IPv6 address has colons of its own; only its bracketed form can have a port.
            if IPAddress(entry) == nil, !entry.contains("/"), let colon = entry.lastIndex(of: ":") {
                guard let number = Int(entry[entry.index(after: colon)...]) else { return nil }
                port = number
                name = entry[..<colon]
            }
            self.port = port
            if name == "*" {
                pattern = .everything
            } else if let slash = name.firstIndex(of: "/") {
                guard let address = IPAddress(name[..<slash]),
                    let bits = Int(name[name.index(after: slash)...])
                else { return nil }
                pattern = .network(address, bits: bits)
            } else if let address = IPAddress(name) {
                pattern = .network(address, bits: address.bytes.count * 8)
            } else if name.hasPrefix("*.") || name.hasPrefix(".") {
                pattern = .subdomains(of: String(name.drop { $0 == "*" }))
            } else {
                pattern = .domain(String(name))
            }
        }

        func matches(host: String, port: Int) -> Bool {
            if let only = self.port, only != port { return false }
            switch pattern {
            case .everything: return true
            case .network(let network, let bits):
                return IPAddress(host)?.isInside(network, bits: bits) ?? false
            case .domain(let name): return host == name || host.hasSuffix("." + name)
            case .subdomains(let name): return host.hasSuffix(name)
            }
        }
    }
}
