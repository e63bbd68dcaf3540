import Cryptography
import Foundation
import HTTP
import HTTPTypes
import TestSupport
import Testing

@testable import KMS

/// Generated requests must have the signatures that botocore computes.
@Suite(.enabled(if: AWSPython.isAvailable))
struct AWSSigningOracleTests {
    /// A request in the form that both languages read.
    private struct Case: Codable {
        var method, url, body, region, service, accessKeyID, secret: String
        var token: String?
        var headers: [[String]]
        var time: Int
    }

    private static let date = 1_440_938_160

    @Test func signsLikeBotocore() throws {
        var random = SeededGenerator(20_260)
        let cases = (0..<2000).map { _ in Self.makeCase(&random) }
        let theirs = try AWSPython.run(Self.script, input: JSONEncoder().encode(cases))
            .split(separator: "\n").map(String.init)
        try #require(theirs.count == cases.count)
        var failures = 0
        for (test, expected) in zip(cases, theirs) where try Self.sign(test) != expected {
            failures += 1
            if failures < 4 { Issue.record("\(test)\n  ours: \(try Self.sign(test))\ntheirs: \(expected)") }
        }
        #expect(failures == 0)
        #expect(Set(theirs).count == cases.count)
    }

    private static func sign(_ test: Case) throws -> String {
        var request = HTTPClientRequest(
            method: try #require(HTTPRequest.Method(test.method)), url: test.url,
            body: test.body.isEmpty ? .none : .secret(SharedSecret(copying: test.body.utf8)))
        for header in test.headers {
            request.fields.append(
                HTTPField(name: try #require(HTTPField.Name(header[0])), value: header[1]))
        }
        let signed = try SigV4Signer(region: test.region, service: test.service).sign(
            request, with: testCredentials(test.accessKeyID, secret: test.secret, token: test.token),
            at: Date(timeIntervalSince1970: Double(test.time)))
        return signed.secretFields.last?.value.text ?? ""
    }

    private static func makeCase(_ random: inout SeededGenerator) -> Case {
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &random) ?? "" }
        func text(_ alphabet: [String], _ lengths: ClosedRange<Int>) -> String {
            (0..<Int.random(in: lengths, using: &random)).map { _ in pick(alphabet) }.joined()
        }
        let plain = "abcXYZ019-._~".map(String.init)
        let encoded = plain + ["%20", "%2F", "%C3%A9", "%25", "%3D"]
        let segments = ["a", "b%20c", ".", "..", "", "é", "x:y", "~t", "d.e", "%2e", "a=b"]
        let path = (0..<Int.random(in: 0...5, using: &random)).map { _ in "/" + pick(segments) }.joined()
        let pairs = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            let name = text(encoded, 1...4)
            return pick([
                name, "\(name)=", "\(name)=\(text(encoded, 0...6))", "\(name)=\(text(encoded, 0...6))",
            ])
        }
        let query = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
        let names = [
            "X-Amz-Target", "Content-Type", "x-custom", "X-Custom", "X-B", "User-Agent", "Accept", "Zz-9",
        ]
        let values = plain + [" ", "  ", ",", "\t", "=", "/", ";", "\"", "é"]
        let headers = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            // HTTP removes white space around values.
            [pick(names), "v" + text(values, 0...20) + "e"]
        }
        let host = pick(["kms.eu-west-1.amazonaws.com", "127.0.0.1", "[::1]", "a-b.example"])
        let port = pick(["", ":443", ":80", ":8443"])
        return Case(
            method: pick(["GET", "POST", "PUT", "DELETE"]),
            url: pick(["https", "http"]) + "://\(host)\(port)\(path)\(query)",
            body: text(plain + ["{", "}", "\n", "ü", "\""], 0...40),
            region: pick(["eu-west-1", "us-gov-west-1"]),
            service: pick(["kms", "sts", "service"]), accessKeyID: "AKID" + text(["A", "B", "7"], 0...12),
            secret: text(plain + ["/", "+"], 1...80),
            token: Bool.random(using: &random) ? text(plain + ["/", "+", "="], 1...90) : nil,
            headers: headers, time: date + Int.random(in: 0...400_000_000, using: &random))
    }

    /// Signs each request with its own date.
    private static let script = """
        import datetime, json, sys
        from botocore import auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        for case in json.load(sys.stdin):
            now = datetime.datetime.fromtimestamp(case['time'], datetime.timezone.utc)
            auth.get_current_datetime = lambda *a, **k: now
            request = AWSRequest(case['method'], case['url'], data=case['body'].encode())
            for name, value in case['headers']:
                request.headers.add_header(name, value)
            credentials = Credentials(case['accessKeyID'], case['secret'], case.get('token'))
            auth.SigV4Auth(credentials, case['service'], case['region']).add_auth(request)
            print(request.headers['Authorization'])
        """
}
