import System

/// Selects a proxy by the environment. The client does this instead of libcurl, so that a TLS server name and a
/// changing environment have no effect on it.
///
/// The rules are kubectl's (golang.org/x/net/http/httpproxy), and ALL_PROXY in addition:
/// - HTTPS_PROXY, else https_proxy, is for https; HTTP_PROXY, else http_proxy, is for http. The first that is not empty
///   counts. HTTP_PROXY is ignored in a CGI program, that is with REQUEST_METHOD set.
/// - Where neither is set, ALL_PROXY, else all_proxy, is used, as curl does and kubectl does not.
/// - Loopback hosts are never proxied.
/// - NO_PROXY, else no_proxy, is a comma-separated list of `*`, addresses, CIDR blocks, `example.com` (with subdomains)
///   and `.example.com` or `*.example.com` (only subdomains). All but `*` and CIDR blocks may have a `:port`.
package struct ProxyEnvironment: Sendable {
    private struct Setting {
        let variable: String
        let value: String
    }

    /// A variable whose value is not the URL of a proxy. The description quotes nothing of the value.
    package struct InvalidVariable: Error, Equatable, Sendable, CustomStringConvertible {
        let variable: String
        let problem: ProxyURL.Problem

        package var description: String { "\(variable) \(problem)" }
    }

    private let https: Setting?
    private let http: Setting?
    private let exceptions: [Exception]

    package init(_ environment: [String: String]) {
        func value(_ names: String...) -> Setting? {
            names.lazy.compactMap { name in environment[name].map { Setting(variable: name, value: $0) } }
                .first { !$0.value.isEmpty }
        }
        let isCGI = environment["REQUEST_METHOD"]?.isEmpty == false
        let all = value("ALL_PROXY", "all_proxy")
        https = value("HTTPS_PROXY", "https_proxy") ?? all
        http = (isCGI ? value("http_proxy") : value("HTTP_PROXY", "http_proxy")) ?? all
        exceptions = (value("NO_PROXY", "no_proxy")?.value ?? "").lowercased().split(separator: ",")
            .compactMap { Exception($0) }
    }

    /// - Returns: the URL of the proxy, or nil to connect directly.
    /// - Throws: `InvalidVariable` if the variable that applies does not hold the URL of a proxy.
    package func proxy(scheme: String, host: String, port: Int) throws(InvalidVariable) -> String? {
        let host = host.lowercased()
        guard let proxy = scheme == "https" ? https : http, !IPAddress.isLoopback(host: host) else {
            return nil
        }
        guard !exceptions.contains(where: { $0.matches(host: host, port: "\(port)") }) else { return nil }
        do throws(ProxyURL.Problem) {
            return Self.resolvingNamesAtProxy(try ProxyURL(proxy.value).text)
        } catch {
            throw InvalidVariable(variable: proxy.variable, problem: error)
        }
    }

    /// Replaces the scheme `socks5` by `socks5h`. With `socks5`, libcurl resolves names itself, while Go and thus
    /// kubectl leave that to the proxy: names of a private network often resolve only there.
    static func resolvingNamesAtProxy(_ url: String) -> String {
        let scheme = "socks5://"
        return url.prefix(scheme.count).lowercased() == scheme
            ? "socks5h://\(url.dropFirst(scheme.count))" : url
    }

    /// An entry of NO_PROXY.
    private struct Exception {
        enum Pattern {
            case everything
            case network(IPAddress, bits: Int)
            /// The subdomains of a domain, and the domain itself if `includesParent`. The string begins with a dot.
            case domain(String, includesParent: Bool)
        }
        let pattern: Pattern
        /// The only port that the entry is for, or nil for every port.
        let port: Substring?

        init?(_ entry: Substring) {
            let entry = entry.trimming(\.isWhitespace)
            guard !entry.isEmpty else { return nil }
            if entry == "*" {
                (pattern, port) = (.everything, nil)
                return
            }
            if let network = Self.network(entry) {
                (pattern, port) = (network, nil)
                return
            }
            var name = entry
            var port: Substring?
            // An IPv6 address contains colons, so only its bracketed form can have a port.
            if IPAddress(entry) == nil, let colon = entry.lastIndex(of: ":") {
                name = entry[..<colon]
                port = entry[entry.index(after: colon)...]
            }
            guard !name.isEmpty else { return nil }
            self.port = port?.isEmpty == true ? nil : port
            if let address = IPAddress(name) {
                pattern = .network(address, bits: address.bytes.count * 8)
                return
            }
            if name.hasPrefix("*.") { name = name.dropFirst() }
            let onlySubdomains = name.hasPrefix(".")
            pattern = .domain(onlySubdomains ? String(name) : ".\(name)", includesParent: !onlySubdomains)
        }

        private static func network(_ entry: Substring) -> Pattern? {
            guard let slash = entry.firstIndex(of: "/"), let address = IPAddress(entry[..<slash]),
                let bits = Int(entry[entry.index(after: slash)...]), bits >= 0
            else { return nil }
            // The prefix length of an IPv4-mapped IPv6 address counts the bits of the IPv6 address.
            let isMapped = address.bytes.count == 4 && entry.contains(":")
            return .network(address, bits: isMapped ? bits - IPAddress.mappedPrefix.count * 8 : bits)
        }

        func matches(host: String, port: String) -> Bool {
            if let only = self.port, only != port { return false }
            switch pattern {
            case .everything: return true
            case .network(let network, let bits):
                return IPAddress(host)?.belongsTo(network, bits: bits) ?? false
            case .domain(let name, let includesParent):
                return host.hasSuffix(name) || includesParent && host == name.dropFirst()
            }
        }
    }
}
