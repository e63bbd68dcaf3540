import CCurl
import Testing

@testable import HTTP

struct HTTPErrorTests {
    /// As written by hand from libcurl-errors(3): a second opinion on the table.
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
        // Not in the table.
        (CURLE_FTP_ACCEPT_FAILED, .clientFailed), (CURLcode(rawValue: 9_999), .clientFailed),
    ]

    @Test(arguments: expected.indices)
    func everyResultOfLibcurlHasItsCode(row: Int) {
        let (result, code) = Self.expected[row]
        #expect(HTTPError.Code.forCurlResult(of: result) == code)
    }

    @Test func theTableHasNoOtherRowsAndNoneTwice() {
        let rows = HTTPError.Code.curlResultCodes.map(\.result.rawValue)
        #expect(Set(rows).count == rows.count)
        #expect(Set(rows).isSubset(of: Self.expected.map(\.0.rawValue)))
    }

    @Test func descriptionsAreOneLine() {
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
