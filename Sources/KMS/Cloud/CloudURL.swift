/// A validated absolute URL with any path and query, from a file or a setting: `https`, or `http` to a host that the purpose
/// allows.
struct CloudURL: Sendable, Equatable {
    /// The hosts to which plain `http` is allowed.
    enum PlainHTTP: Sendable {
        case loopback
        /// Metadata services of clouds listen on link-local addresses, which no router forwards.
        case loopbackOrLinkLocal
    }

    let text: String

    /// Returns nil if `text` is not such a URL, or has a user name or a fragment.
    init?(_ text: String, plainHTTP: PlainHTTP = .loopback) {
        guard text.utf8.count <= 2048,
            text.utf8.allSatisfy({ 0x21...0x7E ~= $0 && !#"#\"<>"#.utf8.contains($0) }),
            let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) })
        else { return nil }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard let address = ServerAddress(scheme + authority) else { return nil }
        if address.isPlainHTTP, !address.isLoopback {
            guard plainHTTP == .loopbackOrLinkLocal, Self.isLinkLocal(authority) else { return nil }
        }
        let path = rest.dropFirst(authority.count)
        self.text = address.url + (path.hasPrefix("/") ? "" : "/") + path
    }

    private static func isLinkLocal(_ authority: Substring) -> Bool {
        let host = authority.lowercased().prefix { $0 != ":" }
        let octets = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return octets.count == 4 && octets[0] == 169 && octets[1] == 254 && !octets.contains(nil)
    }
}
