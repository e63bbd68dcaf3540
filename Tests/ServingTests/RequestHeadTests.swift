import Testing

@testable import Serving

@Suite struct RequestHeadTests {
    private func read(_ text: String) -> RequestHead { RequestHead(Array(text.utf8)) }

    @Test func readsTheRequestLine() {
        #expect(read("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n") == .get(AdminRequest(path: "/metrics")))
        #expect(read("GET /healthz?verbose=1 HTTP/1.0\r\n\r\n") == .get(AdminRequest(path: "/healthz")))
        #expect(read("HEAD / HTTP/1.1\nHost: a\n\n") == .head(AdminRequest(path: "/")))
        #expect(read("POST /metrics HTTP/1.1\r\n\r\nbody") == .other)
    }

    @Test func waitsForTheWholeHead() {
        let whole = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        for count in 0..<whole.utf8.count {
            #expect(RequestHead(Array(whole.utf8.prefix(count))) == .incomplete, "\(count)")
        }
    }

    @Test func findsTheEndAcrossReads() {
        let whole = Array("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        for known in 0..<whole.count {
            #expect(
                RequestHead(whole, alreadySearched: known) == .get(AdminRequest(path: "/metrics")), "\(known)"
            )
        }
    }

    @Test(arguments: [
        "GET /metrics\r\n\r\n", "GET  /metrics HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n", "GET / HTTP/2\r\n\r\n", " / HTTP/1.1\r\n\r\n", "\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n", "GET /\u{338}metrics HTTP/1.1\r\n\r\n", "GET /\u{7F} HTTP/1.1\r\n\r\n",
    ])
    func rejectsMalformedHeads(text: String) {
        #expect(read(text) == .malformed)
    }

    @Test func rejectsAHeadThatIsTooLong() {
        #expect(read("GET /" + String(repeating: "a", count: RequestHead.maximumCount)) == .malformed)
    }
}
