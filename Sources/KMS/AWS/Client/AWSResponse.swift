import Cryptography
import HTTP
import HTTPTypes
import YAML

/// What AWS said, whatever the status. Scalars stay in secret memory.
struct AWSResponse: Sendable {
    let status: Int
    let fields: HTTPFields
    /// nil: no body, or one that is not JSON.
    let body: YAMLNode?
    /// What went wrong, as AWS names it, without what surrounds the name. nil: nothing did, or it has no name.
    /// For comparison with names that are known, never to be shown.
    let errorCode: String?
    /// Of STS's answer, which is XML: twelve digits.
    let account: String?

    init(_ head: HTTPResponseHead, body: borrowing SecretBytes) {
        status = head.status.code
        fields = head.fields
        let isObject = body.withUnsafeBytes { bytes in
            bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
        }
        let documents = isObject ? try? YAMLReader.documents(in: body, source: "AWS's answer") : nil
        self.body = documents?.count == 1 ? documents?.first : nil
        account =
            isObject
            ? nil
            : Self.elementText("Account", in: body).flatMap { AWSKMSResourceARN.isAccountID($0) ? $0 : nil }
        guard !head.status.isSuccess else {
            errorCode = nil
            return
        }
        let named = head.fields[.amznErrorType] ?? self.body?["__type"]?.string ?? self.body?["code"]?.string
        errorCode = (named ?? Self.elementText("Code", in: body)).map(Self.bareName)
    }

    var isSuccess: Bool { 200..<300 ~= status }

    /// The text of the first element of that name, of an XML answer: up to 128 bytes without markup.
    static func elementText(_ name: String, in body: borrowing SecretBytes) -> String? {
        body.withUnsafeBytes { bytes in
            let tag = Array("<\(name)>".utf8)
            guard let start = bytes.firstRange(of: tag)?.upperBound else { return nil }
            let text = bytes[start...].prefix(129).prefix { $0 != UInt8(ascii: "<") }
            return text.count > 128 ? nil : String(decoding: text, as: UTF8.self)
        }
    }

    /// `com.amazonaws.kms#NotFoundException:http://…` is `NotFoundException`.
    private static func bareName(_ text: String) -> String {
        let head = text.prefix { $0 != ":" }
        return String(head.lastIndex(of: "#").map { head[head.index(after: $0)...] } ?? head)
    }
}

extension HTTPResponse.Status {
    fileprivate var isSuccess: Bool { 200..<300 ~= code }
}
