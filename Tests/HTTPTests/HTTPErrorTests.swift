import CCurl
import Testing

@testable import HTTP

struct HTTPErrorTests {
    /// Written by hand from libcurl-errors(3), independently of the table under test.
    static let expected: [(CURLcode, HTTPError.Code)] = [
        (CURLE_UNSUPPORTED_PROTOCOL, .protocolError), (CURLE_URL_MALFORMAT, .invalidRequest),
        (CURLE_COULDNT_RESOLVE_PROXY, .proxyFailed), (CURLE_COULDNT_RESOLVE_HOST, .nameNotResolved),
        (CURLE_COULDNT_CONNECT, .connectFailed), (CURLE_WEIRD_SERVER_REPLY, .protocolError),
        (CURLE_HTTP2, .connectionClosed), (CURLE_PARTIAL_FILE, .connectionClosed),
        (CURLE_WRITE_ERROR, .protocolError), (CURLE_OUT_OF_MEMORY, .clientFailed),
        (CURLE_OPERATION_TIMEDOUT, .connectTimedOut), (CURLE_SSL_CONNECT_ERROR, .tlsFailed),
        (CURLE_ABORTED_BY_CALLBACK, .cancelled), (CURLE_GOT_NOTHING, .connectionClosed),
        (CURLE_SEND_ERROR, .connectionClosed), (CURLE_RECV_ERROR, .connectionClosed),
        (CURLE_SSL_CERTPROBLEM, .clientCertificateInvalid), (CURLE_SSL_CIPHER, .tlsFailed),
        (CURLE_PEER_FAILED_VERIFICATION, .certificateUntrusted),
        (CURLE_BAD_CONTENT_ENCODING, .protocolError), (CURLE_FILESIZE_EXCEEDED, .responseTooLarge),
        (CURLE_SEND_FAIL_REWIND, .connectionClosed), (CURLE_SSL_CACERT_BADFILE, .caInvalid),
        (CURLE_SSL_SHUTDOWN_FAILED, .tlsFailed), (CURLE_SSL_ISSUER_ERROR, .certificateUntrusted),
        (CURLE_NO_CONNECTION_AVAILABLE, .clientFailed), (CURLE_SSL_INVALIDCERTSTATUS, .certificateUntrusted),
        (CURLE_HTTP2_STREAM, .connectionClosed), (CURLE_PROXY, .proxyFailed),
        (CURLE_SSL_CLIENTCERT, .clientCertificateRequired),
        // These are not in the table.
        (CURLE_FTP_ACCEPT_FAILED, .clientFailed), (CURLcode(rawValue: 9_999), .clientFailed),
    ]

    @Test(arguments: expected.indices)
    func mapsEveryLibcurlResultToItsCode(index: Int) {
        let (result, code) = Self.expected[index]
        #expect(HTTPError.Code(result) == code)
    }

    @Test func mapsEachLibcurlResultOnce() {
        let results = HTTPError.Code.curlResultCodes.map(\.result.rawValue)
        #expect(Set(results).count == results.count)
        #expect(Set(results).isSubset(of: Self.expected.map(\.0.rawValue)))
    }

    @Test func describesErrorsInOneLine() {
        for code in HTTPError.Code.allCases {
            let error = HTTPError(code, activity: "GET https://h:1", detail: "a\r\nb\u{0}c. ")
            let text = error.description
            #expect(text.hasPrefix("GET https://h:1: "))
            #expect(text.contains("(a  b c)"))
            #expect(!text.unicodeScalars.contains { $0.properties.generalCategory == .control })
        }
        #expect(HTTPError(.timedOut, activity: "x", detail: "").detail == nil)
    }
}
