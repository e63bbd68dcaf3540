import Testing

@testable import HTTP

struct RequestTargetTests {
    @Test func parsesThePartsOfAURL() throws {
        let target = try RequestTarget("https://[fd00::1]:6443/a/../b?x=%2F", serverName: nil)
        #expect(target.host == "fd00::1")
        #expect(target.port == 6_443)
        #expect(target.origin == "https://[fd00::1]:6443")
        #expect(target.url == "https://[fd00::1]:6443/a/../b?x=%2F")
        #expect(try RequestTarget("https://h/", serverName: nil).port == 443)
    }

    @Test func replacesTheHostByTheServerName() throws {
        let target = try RequestTarget("https://10.0.0.1:6443/a/../b?x=%2F", serverName: "kubernetes")
        #expect(target.url == "https://kubernetes:6443/a/../b?x=%2F")
        #expect(target.authority == "10.0.0.1:6443")
        #expect(target.connectTo == "kubernetes:6443:10.0.0.1:6443")
        #expect(target.origin == "https://10.0.0.1:6443")
        #expect(try RequestTarget("https://10.0.0.1/", serverName: "k").authority == "10.0.0.1")
        #expect(try RequestTarget("http://10.0.0.1/", serverName: "k").connectTo == nil)
    }

    @Test(arguments: [
        "", "h/path", "ftp://h/", "file:///etc/passwd", "https://", "https://h:0x1/", "https://u:p@h/",
        "https://h:70000/", "https://h\u{0}.evil/", "https://h/ x",
        "https://h/\u{1}", "https://h/\nx", "https://h/\u{7F}", "https://h/a\u{FFFD}b", "https://\u{FFFD}/",
    ])
    func rejectsInvalidURLs(url: String) {
        let error = #expect(throws: HTTPError.self) { try RequestTarget(url, serverName: nil) }
        #expect(error?.code == .invalidRequest)
        #expect(error.map { !$0.description.contains("u:p") } == true)
    }

    @Test func rejectsServerNamesThatAreNotHostNames() {
        for name in ["a b/", "", "a\nb", "a\u{17}b", "\u{FFFD}", "a.test\u{7F}"] {
            let error = #expect(throws: HTTPError.self) { try RequestTarget("https://h/", serverName: name) }
            #expect(error?.description.contains("\n") == false)
        }
    }
}
