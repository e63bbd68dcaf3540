/// Where a server is: `https://host[:port][/prefix]`, checked, without a slash at the end.
struct ServerAddress: Sendable, Equatable {
    let url: String
    /// Scheme, host and port: what a redirect is compared with.
    let origin: String
    /// What follows the origin: `` or `/prefix`.
    let pathPrefix: String
    let isPlainHTTP: Bool
    let isLoopback: Bool

    /// nil: not such an address.
    init?(_ text: String) {
        var text = text[...]
        while text.last == "/" { text.removeLast() }
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            return nil
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        let prefix = rest.dropFirst(authority.count)
        guard prefix.isEmpty || URLPath.isPath(prefix.dropFirst()),
            let (host, port) = Self.parse(authority.lowercased())
        else { return nil }
        isPlainHTTP = scheme == "http://"
        isLoopback = Self.isLoopback(host)
        origin = "\(scheme)\(host):\(port ?? (isPlainHTTP ? 80 : 443))"
        url = scheme + authority.lowercased() + prefix
        self.pathPrefix = String(prefix)
    }

    /// Whether an absolute URL leads to the same scheme, host and port.
    func hasSameOrigin(of location: String) -> Bool {
        let parts = location.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return false }
        return ServerAddress("\(parts[0])//\(parts[2])")?.origin == origin
    }

    /// A host name or address in lower case, without brackets; nil: something else, or with a port.
    static func normalizedHost(_ text: String) -> String? {
        let bare = text.lowercased()
        let isIPv6 = bare.contains(":") && !bare.hasPrefix("[")
        guard let (host, port) = parse(isIPv6 ? "[\(bare)]" : bare), port == nil, host.utf8.count <= 253
        else { return nil }
        return URLPath.trimming("]", from: URLPath.trimming("[", from: host))
    }

    private static func parse(_ authority: String) -> (host: String, port: Int?)? {
        var host = authority[...]
        var port: Int?
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            let digits = authority[authority.index(after: colon)...]
            guard let number = UInt16(digits), number > 0, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 })
            else { return nil }
            host = authority[..<colon]
            port = Int(number)
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let literal = host.dropFirst().dropLast().utf8
            guard literal.contains(UInt8(ascii: ":")),
                literal.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit || ":.".utf8.contains($0) }
                )
            else { return nil }
        } else {
            guard URLPath.isSegment(host) else { return nil }
        }
        return (String(host), port)
    }

    private static func isLoopback(_ host: String) -> Bool {
        let octets = host.split(separator: ".", omittingEmptySubsequences: false)
        let isIPv4 = octets.count == 4 && octets.allSatisfy { UInt8($0) != nil }
        return host == "localhost" || host.hasSuffix(".localhost") || host == "[::1]"
            || (isIPv4 && octets[0] == "127")
    }
}
