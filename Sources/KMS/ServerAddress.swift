import System

/// The validated address of a server: `https://host[:port][/prefix]`, without a slash at the end.
struct ServerAddress: Sendable, Equatable {
    let url: String
    /// Scheme, host and port.
    let origin: String
    /// The path after the origin: empty or `/prefix`.
    let pathPrefix: String
    let isPlainHTTP: Bool
    let isLoopback: Bool

    /// Returns nil if `text` does not have the form.
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

    /// Returns true if an absolute URL has the same scheme, host and port.
    func hasSameOrigin(as location: String) -> Bool {
        let parts = location.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3 else { return false }
        return ServerAddress("\(parts[0])//\(parts[2])")?.origin == origin
    }

    /// Returns a host name or IP address in lower case, without brackets, or nil if `text` is something else or has a port.
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
            guard let number = UInt16(digits), number > 0, digits.utf8.allSatisfy(\.isASCIIDigit)
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

/// Validates the parts of a URL path that come from settings. They are put into URLs and key ids unescaped, so that a name with
/// characters that need escaping, or that change the path, is invalid.
enum URLPath {
    /// Returns true for one segment: 1 to 128 of A-Z a-z 0-9 - _ . and not "." or "..".
    static func isSegment(_ text: some StringProtocol) -> Bool {
        let bytes = text.utf8
        return (1...128).contains(bytes.count)
            && bytes.allSatisfy { $0.isASCIILetterOrDigit || "-_.".utf8.contains($0) }
            && !bytes.elementsEqual(".".utf8) && !bytes.elementsEqual("..".utf8)
    }

    /// Returns true for segments joined by "/", without one at either end.
    static func isPath(_ text: some StringProtocol) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { isSegment($0) }
    }

    /// Removes the slashes at both ends, which do not change the meaning of a mount.
    static func trimmingSlashes(_ text: String) -> String { trimming("/", from: text) }

    static func trimming(_ character: Character, from text: some StringProtocol) -> String {
        String(Substring(text).trimming { $0 == character })
    }
}
