import Cryptography
import Foundation
import Testing

@testable import KMS

/// The vectors that AWS publishes (Tests/Vectors/sigv4), for each step of a signature.
struct AWSSigningVectorTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../Vectors/sigv4").standardizedFileURL
    private static let secret = SharedSecret(copying: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".utf8)
    private static let date = Date(timeIntervalSince1970: 1_440_938_160)

    /// The paths below the folder without extension.
    static let cases: [String] = {
        let files = FileManager.default.enumerator(atPath: folder.path)
        return (files?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".req") }
            .map { String($0.dropLast(4)) }.sorted()
    }()

    @Test func readsAllVectors() {
        #expect(Self.cases.count == 34)
    }

    @Test(arguments: cases)
    func signsLikeTheVectors(name: String) throws {
        func text(_ ending: String) throws -> String {
            let data = try Data(contentsOf: Self.folder.appendingPathComponent("\(name).\(ending)"))
            return String(decoding: data.filter { $0 != 0x0D }, as: UTF8.self)
        }
        let request = try RawRequest(text("req"))
        // The token is part of the request, or added by the signer, or not signed.
        var headers = request.headers
        if name.hasSuffix("header-after") { headers.removeAll { $0.name == "x-amz-security-token" } }
        if name.hasSuffix("with-session-token") {
            headers += try RawRequest(text("sreq")).headers.filter { $0.name == "x-amz-security-token" }
        }
        let canonical = SigV4CanonicalRequest(
            method: request.method, path: request.path, query: request.query, headers: headers,
            payloadHash: hex(try sha256(Array(request.body.utf8))))
        #expect(canonical.text.text == (try text("creq")))
        let scope = SigV4Scope(date: Self.date, region: "us-east-1", service: "service")
        let toSign = try scope.stringToSign(canonical)
        #expect(toSign == (try text("sts")))
        let signature = try scope.signature(of: toSign, secretAccessKey: Self.secret)
        #expect(
            "\(SigV4Scope.algorithm) Credential=AKIDEXAMPLE/\(scope.text), "
                + "SignedHeaders=\(canonical.signedHeaders), Signature=\(signature)" == (try text("authz")))
    }
}

/// A request in the form of the vectors, in which continuation lines are indented.
private struct RawRequest {
    let method: String
    let path: String
    let query: String
    let headers: [SigV4Header]
    let body: String

    init(_ text: String) throws {
        let parts = text.components(separatedBy: "\n\n")
        body = parts.dropFirst().joined(separator: "\n\n")
        var lines = parts[0].components(separatedBy: "\n")
        let line = lines.removeFirst()
        let words = line.split(separator: " ")
        method = String(words[0])
        // The path may contain a space.
        let target = line.dropFirst(method.count + 1).dropLast(" HTTP/1.1".count)
        path = String(target.prefix { $0 != "?" })
        query = String(target.dropFirst(path.count).dropFirst())
        var unfolded: [String] = []
        for line in lines where !line.isEmpty {
            if line.hasPrefix(" "), let last = unfolded.popLast() {
                unfolded.append(last + "\n" + line)
            } else {
                unfolded.append(line)
            }
        }
        headers = unfolded.map { line in
            let name = line.prefix { $0 != ":" }
            return SigV4Header(String(name), String(line.dropFirst(name.count + 1)))
        }
    }
}
