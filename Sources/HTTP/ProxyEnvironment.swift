/// Which proxy the environment asks for, decided here rather than in libcurl so that a TLS server name and
/// a changing environment do not matter.
///
/// As kubectl does (golang.org/x/net/http/httpproxy): HTTPS_PROXY, else https_proxy, for https; HTTP_PROXY, else
/// http_proxy, for http (upper case not in a CGI, that is with REQUEST_METHOD set); the first that is not empty counts.
/// Where neither is set, ALL_PROXY or all_proxy does, which kubectl does not know and curl does. Loopback hosts are never
/// proxied. NO_PROXY, else no_proxy, is a comma-separated list of `*`, addresses, CIDR blocks, `example.com` (with
/// subdomains) and `.example.com` or `*.example.com` (subdomains alone), each but the first and CIDR blocks with an
/// optional `:port`.
package struct ProxyEnvironment: Sendable {
    /// What one of the variables holds.
    private struct Setting {
        let variable: String
        let value: String
    }

    /// A variable that holds no URL of a proxy. Quotes nothing of it.
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

    /// nil: connect directly.
    ///
    /// - Throws: `InvalidVariable` where the variable that counts holds no URL of a proxy.
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

    /// The URL of a proxy for libcurl, to which `socks5` means that names are resolved here. To Go, and thus to kubectl,
    /// it means that the proxy resolves them: names of a private network often resolve there alone.
    static func resolvingNamesAtProxy(_ url: String) -> String {
        let scheme = "socks5://"
        return url.prefix(scheme.count).lowercased() == scheme
            ? "socks5h://\(url.dropFirst(scheme.count))" : url
    }

    private struct Exception {
        enum Pattern {
            case everything
            case network(IPAddress, bits: Int)
            /// `.example.com`, and whether it means `example.com` too.
            case domain(String, withItself: Bool)
        }
        let pattern: Pattern
        /// nil: any.
        let port: Substring?

        init?(_ entry: Substring) {
            let entry = entry.trimmingBlanks
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
            // An IPv6 address has colons of its own; only its bracketed form can have a port.
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
            let isSubdomain = name.hasPrefix(".")
            pattern = .domain(isSubdomain ? String(name) : ".\(name)", withItself: !isSubdomain)
        }

        private static func network(_ entry: Substring) -> Pattern? {
            guard let slash = entry.firstIndex(of: "/"), let address = IPAddress(entry[..<slash]),
                let bits = Int(entry[entry.index(after: slash)...]), bits >= 0
            else { return nil }
            // Of an IPv4 address that is written as IPv6, the mask is that of the IPv6 address.
            let isMapped = address.bytes.count == 4 && entry.contains(":")
            return .network(address, bits: isMapped ? bits - IPAddress.mappedPrefix.count * 8 : bits)
        }

        func matches(host: String, port: String) -> Bool {
            if let only = self.port, only != port { return false }
            switch pattern {
            case .everything: return true
            case .network(let network, let bits):
                return IPAddress(host)?.belongsTo(network, bits: bits) ?? false
            case .domain(let name, let withItself):
                return host.hasSuffix(name) || withItself && host == name.dropFirst()
            }
        }
    }
}

extension Substring {
    fileprivate var trimmingBlanks: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
