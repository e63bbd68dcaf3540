/// The URL of a proxy, validated before libcurl gets it: libcurl's errors quote a URL that it cannot parse, and with it
/// the proxy's password.
///
/// Accepts the forms that kubectl accepts (Go's net/url): a scheme, which defaults to http, user and password, host and
/// port.
package struct ProxyURL: Sendable, Equatable {
    /// Describes the problem as the predicate of a sentence whose subject is the setting. Quotes nothing of the URL.
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        case characters, scheme, userInfo, host, port

        package var description: String {
            switch self {
            case .characters:
                "holds a space, a control character or a non-ASCII character; percent-encode it, a space as %20"
            case .scheme:
                "has a scheme that is not supported; expected http://, https:// or socks5://HOST:PORT"
            case .userInfo:
                "has a user name or password that cannot be decoded; percent-encode special characters, such as "
                    + "%40 for @, %2F for /, %23 for # and %25 for %"
            case .host: "has no valid host; \(Self.expected)"
            case .port: "has no valid port (1 to 65535); \(Self.expected)"
            }
        }

        private static let expected =
            "expected http://[USER:PASSWORD@]HOST:PORT, with special characters of the password percent-encoded"
    }

    /// The URL in the form that libcurl accepts.
    package let text: String
    package let hasScheme: Bool

    private static let schemes: Set = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

    package init(_ text: String) throws(Problem) {
        guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { throw .characters }
        var start = text.startIndex
        hasScheme = text.contains("://")
        if let end = text.firstRange(of: "://") {
            guard Self.schemes.contains(text[..<end.lowerBound].lowercased()) else { throw .scheme }
            start = end.upperBound
        }
        let authority = text[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        // A password that contains one of these characters would end the authority early.
        guard !text[authority.endIndex...].contains("@") else { throw .userInfo }
        // Go ends the user info at the last @, libcurl at the first.
        guard let at = authority.lastIndex(of: "@") else {
            try Self.checkHostAndPort(authority)
            self.text = text
            return
        }
        let userInfo = authority[..<at]
        guard Self.isDecodable(userInfo) else { throw .userInfo }
        try Self.checkHostAndPort(authority[authority.index(after: at)...])
        self.text =
            text[..<start]
            + userInfo.split(separator: "@", omittingEmptySubsequences: false)
            .joined(separator: "%40") + text[at...]
    }

    /// Accepts `host`, `host:port`, `[address]` and `[address]:port`.
    package static func checkHostAndPort(_ text: Substring) throws(Problem) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw .host }
            let address = text[text.index(after: text.startIndex)..<end].prefix { $0 != "%" }
            let rest = text[text.index(after: end)...]
            guard address.contains(":"), IPAddress(address) != nil, rest.isEmpty || rest.hasPrefix(":") else {
                throw .host
            }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else {
            if let colon = text.firstIndex(of: ":") {
                (host, port) = (text[..<colon], text[text.index(after: colon)...])
            }
            guard isName(host) else { throw .host }
        }
        guard let port, !port.isEmpty else { return }
        guard port.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = UInt16(port), number > 0 else {
            throw .port
        }
    }

    /// Returns true if the text is a host name or an address, without a port.
    package static func isHost(_ text: String) -> Bool { isName(text) || IPAddress(text) != nil }

    private static func isName(_ text: some StringProtocol) -> Bool {
        // Of the unreserved characters of RFC 3986, a host name may not have a tilde.
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isUnreservedInURL && $0 != UInt8(ascii: "~") }
    }

    /// Returns true if two hexadecimal digits of a byte that is not a control character follow each %.
    private static func isDecodable(_ text: Substring) -> Bool {
        text.split(separator: "%", omittingEmptySubsequences: false).dropFirst().allSatisfy { part in
            let digits = part.prefix(2)
            guard digits.utf8.count == 2, digits.allSatisfy(\.isHexDigit), let byte = UInt8(digits, radix: 16)
            else { return false }
            return byte >= 0x20 && byte != 0x7F
        }
    }
}

extension String {
    /// The text without the user name and password of a URL that it quotes. Everything up to the last `@` is removed, since the
    /// text before it need not be a URL that can be parsed; what precedes the URL stays if its beginning is certain.
    var redactingUserInfo: String {
        guard let at = lastIndex(of: "@") else { return self }
        return "\(self[..<at].throughScheme ?? "")…\(self[at...])"
    }
}

extension Substring {
    private static let schemes: Set<String> = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"]

    /// Returns the text through the first `://`, or nil unless a scheme stands there, at the beginning of a word: a password may
    /// contain `://`.
    fileprivate var throughScheme: Substring? {
        guard let separator = firstRange(of: "://") else { return nil }
        let before = self[..<separator.lowerBound]
        let start = before.lastIndex { !$0.isLetter && !$0.isNumber }
        let scheme = before[(start.map { before.index(after: $0) } ?? before.startIndex)...]
        guard Self.schemes.contains(scheme.lowercased()), start.map({ " '\"(<".contains(before[$0]) }) ?? true
        else { return nil }
        return self[..<separator.upperBound]
    }
}
