/// The URL of a proxy, checked before libcurl sees it: the errors of libcurl quote a URL that it cannot parse, and with it
/// the password of the proxy.
///
/// Accepts what kubectl accepts (Go's net/url): a scheme, which defaults to http, user and password, host and port.
package struct ProxyURL: Sendable, Equatable {
    /// Describes the problem as the end of a sentence whose subject is the setting; quotes nothing of it.
    package enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        case characters, scheme, userInfo, host, port

        package var description: String {
            switch self {
            case .characters:
                "holds a space, a control character or a character that is not ASCII; write it percent-encoded, a space as %20"
            case .scheme:
                "has a scheme that is not supported; expected http://, https:// or socks5://HOST:PORT"
            case .userInfo:
                "has a user name or password that cannot be decoded; write special characters percent-encoded, such as "
                    + "%40 for @, %2F for /, %23 for # and %25 for %"
            case .host: "has no valid host; \(Self.expected)"
            case .port: "has no valid port (1 to 65535); \(Self.expected)"
            }
        }

        private static let expected =
            "expected http://[USER:PASSWORD@]HOST:PORT, with special characters of the password percent-encoded"
    }

    /// In the form that libcurl takes.
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
        // A password with one of these characters would end the authority early.
        guard !text[authority.endIndex...].contains("@") else { throw .userInfo }
        // As in Go, the last one counts; libcurl takes the first.
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

    /// `host`, `host:port` or `[address]:port`.
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
        guard port.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
            let number = UInt16(port), number > 0
        else { throw .port }
    }

    /// Whether the text is the name of a host or an address, without a port.
    package static func isHost(_ text: String) -> Bool { isName(text) || IPAddress(text) != nil }

    private static func isName(_ text: some StringProtocol) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                    UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// Whether each % stands before two digits of a byte that is no control character.
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
    /// The text without user names and passwords in a URL, which errors of libcurl quote. All from the first `://` to the
    /// last `@` is left out: what stands between them need not be a URL that can be parsed.
    var redactingUserInfo: String {
        guard let at = lastIndex(of: "@") else { return self }
        guard let scheme = firstRange(of: "://"), scheme.upperBound <= at else {
            return "…\(self[at...])"
        }
        return "\(self[..<scheme.upperBound])…\(self[at...])"
    }
}
