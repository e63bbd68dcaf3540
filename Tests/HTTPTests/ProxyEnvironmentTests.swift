import Testing

@testable import HTTP

struct ProxyEnvironmentTests {
    private func proxy(
        _ environment: [String: String], _ scheme: String = "https", _ host: String = "h.example.com"
    )
        -> String?
    {
        ProxyEnvironment(environment).proxy(scheme: scheme, host: host, port: scheme == "https" ? 443 : 80)
    }

    @Test func schemesHaveTheirOwnVariables() {
        let environment = ["HTTPS_PROXY": "s", "HTTP_PROXY": "p", "ALL_PROXY": "a"]
        #expect(proxy(environment) == "s")
        #expect(proxy(environment, "http") == "p")
        #expect(proxy(["ALL_PROXY": "a"]) == "a")
        #expect(proxy(["https_proxy": "lower", "HTTPS_PROXY": "upper"]) == "lower")
        #expect(proxy(["https_proxy": "", "HTTPS_PROXY": "upper"]) == nil)
        #expect(proxy(["HTTP_PROXY": "p", "REQUEST_METHOD": "GET"], "http") == nil)
        #expect(proxy([:]) == nil)
    }

    @Test(arguments: ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
    func loopbackIsNeverProxied(host: String) {
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
    func exceptions(list: String, host: String, isProxied: Bool) {
        #expect((proxy(["HTTPS_PROXY": "s", "NO_PROXY": list], "https", host) != nil) == isProxied)
    }
}
