import TestSupport
import Testing

@testable import HTTP

struct ProxyEnvironmentTests {
    private func proxy(
        _ environment: [String: String], _ scheme: String = "https", _ host: String = "h.example.com"
    )
        -> String?
    {
        try? ProxyEnvironment(environment)
            .proxy(scheme: scheme, host: host, port: scheme == "https" ? 443 : 80)
    }

    @Test func readsTheVariablesOfEachScheme() {
        let environment = ["HTTPS_PROXY": "s", "HTTP_PROXY": "p", "ALL_PROXY": "a"]
        #expect(proxy(environment) == "s")
        #expect(proxy(environment, "http") == "p")
        #expect(proxy(["ALL_PROXY": "a"]) == "a")
        #expect(proxy(["https_proxy": "lower", "HTTPS_PROXY": "upper"]) == "upper")
        #expect(proxy(["http_proxy": "lower", "HTTP_PROXY": "upper"], "http") == "upper")
        #expect(proxy(["HTTP_PROXY": "p", "REQUEST_METHOD": "GET"], "http") == nil)
        #expect(proxy([:]) == nil)
    }

    /// As in kubectl, the first variable that is not empty counts.
    @Test func ignoresEmptyVariables() {
        #expect(proxy(["https_proxy": "", "HTTPS_PROXY": "upper"]) == "upper")
        #expect(proxy(["https_proxy": "lower", "HTTPS_PROXY": ""]) == "lower")
        #expect(proxy(["http_proxy": "lower", "HTTP_PROXY": ""], "http") == "lower")
        #expect(proxy(["HTTPS_PROXY": "", "ALL_PROXY": "", "all_proxy": "a"]) == "a")
        #expect(proxy(["HTTPS_PROXY": "", "https_proxy": ""]) == nil)
        #expect(proxy(["HTTPS_PROXY": "s", "NO_PROXY": "", "no_proxy": "h.example.com"]) == nil)
        #expect(proxy(["HTTP_PROXY": "p", "REQUEST_METHOD": ""], "http") == "p")
    }

    @Test func resolvesNamesAtASOCKSProxy() {
        #expect(proxy(["HTTPS_PROXY": "socks5://p:1"]) == "socks5h://p:1")
        #expect(proxy(["HTTPS_PROXY": "SOCKS5://u:w@p:1"]) == "socks5h://u:w@p:1")
        #expect(proxy(["ALL_PROXY": "socks5://p:1"]) == "socks5h://p:1")
        #expect(proxy(["HTTPS_PROXY": "socks5h://p:1"]) == "socks5h://p:1")
        #expect(proxy(["HTTPS_PROXY": "http://socks5://p:1"]) == "http://socks5://p:1")
    }

    /// Go ends the password of a URL at the last @, libcurl at the first.
    @Test func acceptsPasswordsThatContainAnAtSign() {
        #expect(proxy(["HTTPS_PROXY": "http://u:p@w@h:1"]) == "http://u:p%40w@h:1")
        #expect(proxy(["HTTPS_PROXY": "u:p%2F@h:1/"]) == "u:p%2F@h:1/")
        #expect(proxy(["HTTPS_PROXY": "http://u:p@[fd00::1]:65535"]) == "http://u:p@[fd00::1]:65535")
    }

    /// The error names the variable and quotes nothing of its value.
    @Test(arguments: [
        "http://u:hunter2@h:99999", "http://u:hunter2@h:0", "http://u:hunt er2@h:1", "http://u:hunter2/@h:1",
        "http://u:hunter2#@h:1", "http://u:1?hunter2@h:1", "ftp://u:hunter2@h:1", "http://u:hunter2%zz@h:1",
        "http://u:hunter2%0a@h:1", "http://u:hunter2@:1", "http://u:hunter2@[h]:1", "http://hünter2@h:1",
        "u:hunter2@h:port", "://hunter2", "http://",
    ])
    func rejectsInvalidProxyURLsWithoutQuotingThem(url: String) throws {
        for (variable, scheme) in [("HTTPS_PROXY", "https"), ("http_proxy", "http"), ("ALL_PROXY", "https")] {
            let environment = ProxyEnvironment([variable: url])
            let error = #expect(throws: ProxyEnvironment.InvalidVariable.self) {
                try environment.proxy(scheme: scheme, host: "h", port: 443)
            }
            let line = error?.description ?? ""
            #expect(line.hasPrefix("\(variable) h"), "\(line)")
            #expect(!line.contains("unt"), "\(line)")
            #expect(line.contains("; "), "\(line)")
            #expect(try environment.proxy(scheme: scheme, host: "127.0.0.1", port: 443) == nil)
        }
    }

    @Test func namesTheInvalidVariableInTheRequestsError() async throws {
        let client = CurlClient(
            HTTPClientConfiguration(), environment: ["HTTPS_PROXY": "http://u:hunter2@h:99999"])
        do {
            _ = try await client.send(HTTPClientRequest(url: "https://a.example"), upTo: 100)
            Issue.record("sent")
        } catch {
            #expect("\(error)".contains("(HTTPS_PROXY has no valid port (1 to 65535)"))
            #expect(!"\(error)".contains("hunter2"))
        }
    }

    @Test func anAddressEndsWithItsText() {
        #expect(ProxyURL.isHost("::1"))
        #expect(!ProxyURL.isHost("::1\0x"))
        #expect(IPAddress("10.0.0.1\0.example.com") == nil)
    }

    @Test func redactsUserInfoInLibcurlsErrors() {
        #expect("in 'http://u:p@w@h:9'".redactingUserInfo == "in 'http://…@h:9'")
        #expect("http://u:p@h".redactingUserInfo == "http://…@h")
        #expect("in \"SOCKS5h://u:p@h:9\"".redactingUserInfo == "in \"SOCKS5h://…@h:9\"")
        #expect("in 'u:p://@h:9'".redactingUserInfo == "…@h:9'", "the password may contain a scheme's end")
        #expect("in 'u:http://p@h:9'".redactingUserInfo == "…@h:9'")
        #expect("in 'secret://p@h:9'".redactingUserInfo == "…@h:9'")
        #expect("in 'u:p@h:9'".redactingUserInfo == "…@h:9'")
        #expect("no such host".redactingUserInfo == "no such host")
    }

    /// The expectations were recorded with kubectl 1.32.
    @Test(arguments: [
        ("*:443", "h.test", true), ("h.test:", "h.test", false), ("h.test:443", "h.test", false),
        ("h.test:0443", "h.test", true), ("h.test:8443", "h.test", true), ("a.test h.test", "h.test", true),
        (" a.test , h.test ", "h.test", false), ("*.test", "test", true), ("*.h.test", "x.h.test", false),
        (".h.test:443", "x.h.test", false), ("H.TEST", "h.test", false),
        ("::ffff:10.1.2.3", "10.1.2.3", false), ("10.1.2.3", "::ffff:10.1.2.3", false),
        ("::ffff:10.0.0.0/104", "10.1.2.3", false), ("10.0.0.0/8", "::ffff:10.1.2.3", false),
        ("[fd00::1]:443", "fd00::1", false), ("fd00::/8", "fd00::1", false),
        ("10.1.2.3:443", "10.1.2.3", false), ("10.0.0.0/8:443", "10.1.2.3", true), ("*,x", "h.test", false),
        ("x,*", "h.test", false), ("h.test/path", "h.test", true), ("est", "h.test", true),
        (".", "h.test", true), (":443", "h.test", true),
    ])
    func matchesNoProxyEntriesAsKubectlDoes(list: String, host: String, isProxied: Bool) {
        #expect((proxy(["HTTPS_PROXY": "s", "NO_PROXY": list], "https", host) != nil) == isProxied)
    }

    @Test(arguments: ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
    func neverProxiesLoopback(host: String) {
        #expect(proxy(["HTTPS_PROXY": "s"], "https", host) == nil)
    }

    @Test(arguments: [
        ("*", "h.example.com", false), ("example.com", "h.example.com", false),
        ("example.com", "example.com", false), ("example.com", "notexample.com", true),
        (".example.com", "h.example.com", false), (".example.com", "example.com", true),
        ("*.example.com", "h.example.com", false), ("EXAMPLE.com", "H.Example.Com", false),
        ("10.0.0.0/8", "10.96.0.1", false), ("10.0.0.0/8", "11.0.0.1", true),
        ("10.96.0.0/12", "10.112.0.1", true),
        ("10.0.0.1", "10.0.0.1", false), ("10.0.0.1", "10.0.0.2", true), ("fd00::/8", "fd12::1", false),
        ("fd00::1", "fd00:0::1", false), ("0.0.0.0/0", "fd00::1", true),
        ("a.b, , h.example.com:443", "h.example.com", false),
        ("h.example.com:8443", "h.example.com", true), ("[fd00::1]:443", "fd00::1", false),
        ("10.0.0.0/99,bad:port", "10.0.0.1", true), ("", "h.example.com", true),
    ])
    func matchesNoProxyEntries(list: String, host: String, isProxied: Bool) {
        #expect((proxy(["HTTPS_PROXY": "s", "NO_PROXY": list], "https", host) != nil) == isProxied)
    }
}
