import Cryptography
import Foundation
import HTTP
import HTTPTypes
import Testing

@testable import KMS

struct AWSSignerTests {
    private let signer = SigV4Signer(region: "eu-west-1", service: "kms")
    private let date = Date(timeIntervalSince1970: 1_440_938_160)

    private func request(_ url: String = "https://kms.eu-west-1.amazonaws.com/") -> HTTPClientRequest {
        HTTPClientRequest(
            method: .post, url: url, fields: [.contentType: "application/x-amz-json-1.1"],
            body: .secret(SharedSecret(copying: "{}".utf8)))
    }

    private func signedHeaders(_ request: HTTPClientRequest) -> String? {
        let text = request.secretFields.first { $0.name == .authorization }?.value.text
        return text?.components(separatedBy: "SignedHeaders=").last?.components(separatedBy: ",").first
    }

    @Test func signsTheSessionTokenInSecretMemory() throws {
        let plain = try signer.sign(request(), with: testCredentials(), at: date)
        #expect(signedHeaders(plain) == "content-type;host;x-amz-date")
        #expect(plain.secretFields.map(\.name) == [.authorization])
        let temporary = try signer.sign(request(), with: testCredentials(token: "the-token"), at: date)
        #expect(signedHeaders(temporary) == "content-type;host;x-amz-date;x-amz-security-token")
        #expect(temporary.secretFields.map(\.name) == [.amzSecurityToken, .authorization])
        #expect(!"\(temporary.fields)".contains("the-token"))
        let other = try signer.sign(request(), with: testCredentials(token: "other"), at: date)
        #expect(other.secretFields.last?.value.text != temporary.secretFields.last?.value.text)
    }

    @Test func replacesAnEarlierSignature() throws {
        let once = try signer.sign(request(), with: testCredentials(token: "a"), at: date)
        let later = try signer.sign(once, with: testCredentials(token: "b"), at: date + 60)
        let fresh = try signer.sign(request(), with: testCredentials(token: "b"), at: date + 60)
        #expect(later.fields == fresh.fields)
        #expect(later.secretFields.map(\.value.text) == fresh.secretFields.map(\.value.text))
        #expect(later.fields[.amzDate] == "20150830T123700Z")
    }

    @Test func everyPartOfTheRequestChangesTheSignature() throws {
        func signature(
            _ change: (inout HTTPClientRequest) -> Void = { _ in }, signer: SigV4Signer? = nil,
            secret: String = "secret", after seconds: Double = 0
        ) throws -> String? {
            var request = request()
            change(&request)
            let signed = try (signer ?? self.signer).sign(
                request, with: testCredentials(secret: secret), at: date + seconds)
            return signed.secretFields.last?.value.text.components(separatedBy: "Signature=").last
        }
        let all = [
            try signature(), try signature({ $0.body = .bytes(Array("{} ".utf8)) }),
            try signature({ $0.method = .put }), try signature({ $0.url += "a" }),
            try signature({ $0.url += "?a" }),
            try signature({ $0.fields[.contentType] = "x" }), try signature({ $0.fields[.accept] = "x" }),
            try signature(signer: SigV4Signer(region: "eu-west-2", service: "kms")),
            try signature(signer: SigV4Signer(region: "eu-west-1", service: "sts")),
            try signature(secret: "other"), try signature(after: 1),
            try signature({ $0.url = "https://other/" }),
        ]
        #expect(Set(all).count == all.count)
        #expect(try signature() == signature({ $0.body = .bytes(Array("{}".utf8)) }))
        #expect(try signature() == signature({ $0.fields[.userAgent] = "x" }))
    }

    @Test(arguments: [
        ("https://a.example", "a.example"), ("https://a.example:443/", "a.example"),
        ("https://a.example:8443/x", "a.example:8443"), ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://127.0.0.1:443/", "127.0.0.1:443"), ("https://a.example:80?x", "a.example:80"),
        ("https://[::1]:443/", "[::1]"), ("https://[::1]:44/", "[::1]:44"), ("http://[::80]/", "[::80]"),
    ])
    func signsTheHostHeaderOfLibcurl(url: String, host: String) throws {
        var explicit = request(url)
        explicit.fields[try #require(HTTPField.Name("Host"))] = host
        let implied = try signer.sign(request(url), with: testCredentials(), at: date)
        let stated = try signer.sign(explicit, with: testCredentials(), at: date)
        #expect(implied.secretFields.last?.value.text == stated.secretFields.last?.value.text)
    }

    @Test(arguments: [
        ("", "/"), ("/", "/"), ("//", "/"), ("/a//b", "/a/b"), ("/a/./b/", "/a/b/"), ("/a/../..", "/"),
        ("/a/..", "/"), ("/a/b/..", "/a"), ("/a%20b", "/a%2520b"), ("/a b", "/a%20b"), ("/~-_.", "/~-_."),
        ("/%7e", "/%257e"), ("/é", "/%C3%A9"), ("/a:b@c+d=e", "/a%3Ab%40c%2Bd%3De"),
    ])
    func normalizesPaths(path: String, canonical: String) {
        #expect(SigV4URI.path(path) == canonical)
    }

    @Test(arguments: [
        ("", ""), ("a", "a="), ("a=", "a="), ("b=1&a=2", "a=2&b=1"), ("a=2&a=1", "a=1&a=2"),
        ("a=b=c", "a=b%3Dc"), ("a=%2f", "a=%2F"), ("a=%7E", "a=~"), ("a=x+y", "a=x%2By"), ("a=%", "a=%25"),
        ("a=%zz", "a=%25zz"), ("é=ü", "%C3%A9=%C3%BC"), ("A=1&a=1", "A=1&a=1"), ("a-=1&a=1", "a=1&a-=1"),
        ("a=1&&b", "=&a=1&b="),
    ])
    func normalizesQueries(query: String, canonical: String) {
        #expect(SigV4URI.query(query) == canonical)
    }

    @Test(arguments: [
        (0.0, "19700101T000000Z"), (951_782_400, "20000229T000000Z"), (4_107_542_399.9, "21000228T235959Z"),
        (1_767_225_599, "20251231T235959Z"), (-1, "19691231T235959Z"),
    ])
    func formatsTimestamps(seconds: Double, text: String) {
        let scope = SigV4Scope(date: Date(timeIntervalSince1970: seconds), region: "r", service: "s")
        #expect(scope.timestamp == text)
        #expect(scope.day == text.prefix(8))
    }
}

func testCredentials(
    _ id: String = "AKIDEXAMPLE", secret: String = "secret", token: String? = nil
) -> AWSCredentials {
    AWSCredentials(
        accessKeyID: id, secretAccessKey: SharedSecret(copying: secret.utf8),
        sessionToken: token.map { SharedSecret(copying: $0.utf8) }, expiration: nil)
}
