import Cryptography
import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import TestSupport

@testable import KMS

extension FuzzTarget {
    static let awsTargets = [
        FuzzTarget(
            "aws-config",
            seeds: Seeds.texts(
                "[default]\nregion = eu-west-1\n[profile dev]\nrole_arn=arn:aws:iam::111122223333:role/r\nsource_profile = base\n"
                    + "s3 =\n  endpoint_url = x\n[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = s ; c\n",
                "[DEFAULT]\nservices = l\n[sso-session \"a b\"]\nsso_region=r\n[services l]\nkms =\n  endpoint_url = https://h\n",
                "[profile p]\ncredential_process = '/bin/a b' \"c\\\"d\" e\\ f\n[profile p]\nsource_profile=p\nrole_arn=arn:aws:iam::1:role/x"
            ),
            check: checkAWSConfig),
        FuzzTarget(
            "shell-words", maximumLength: 512,
            seeds: Seeds.texts(#"a 'b c' "d\"e" f\ g"#, "''", "\"a\\b\"", "a\u{301}'"),
            check: checkShellWords),
        FuzzTarget("aws-sts", seeds: stsSeeds, check: checkSTS),
        FuzzTarget("aws-kms", seeds: kmsSeeds, awaiting: checkKMS),
        FuzzTarget(
            "aws-credentials",
            seeds: Seeds.texts(
                #"{"Version":1,"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s","Token":"t","SessionToken":"t","#
                    + #""Expiration":"2026-11-26T02:39:28Z"}"#,
                #"{"code":"AccessDenied","Expiration":"9999-12-31T23:59:59.999Z","AccessKeyId":"A","SecretAccessKey":"é"}"#
            ),
            check: checkAWSCredentials),
        FuzzTarget(
            "aws-signature", maximumLength: 1024,
            seeds: Seeds.texts("https://h:443/a/../b//c%20d?x=1&x=%7e&y#f", "http://h:80?b&a=é", "h"),
            check: checkSignature),
    ]

    private static let stsSeeds = Seeds.texts(
        choices: 1,
        """
        <?xml version="1.0"?><AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
        <Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s&amp;&#x41;</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>2026-11-26T02:39:28Z</Expiration></Credentials></AssumeRoleResult><!-- c --><A/></AssumeRoleResponse>
        """,
        "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code></Error></ErrorResponse>")

    private static let kmsSeeds = Seeds.texts(
        choices: 2,
        #"{"KeyId":"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","Plaintext":"QUJD","#
            + #""CiphertextBlob":"QUJD","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        #"{"__type":"com.amazonaws.kms#NotFoundException:http://x","message":"m"}"#,
        "<R><Account>111122223333</Account><Code>Throttling</Code></R>")
}

/// Secret settings are never among the others; every profile has a plan or a message of one line.
@Sendable private func checkAWSConfig(_ input: [UInt8]) throws {
    let parsed = outcome { () throws(AWSCredentialsError) in
        try AWSConfigFile(path: "/x/config", content: SecretBytes(copying: input))
    }
    guard case .success(let file) = parsed else {
        if case .failure(let error) = parsed { try requireMessage(error.message) }
        return
    }
    try require(Set(file.sections.map(\.title)).count == file.sections.count, "a section occurs twice")
    for section in file.sections {
        let names = Set(section.settings.keys).union(section.nested.keys)
        try require(names.isDisjoint(with: AWSConfigFile.secretKeys), "a secret among the settings")
    }
    for selected in [nil, "dev", "p"] as [String?] {
        let plan = outcome { () throws(AWSCredentialsError) in
            try AWSProfilePlan.make(AWSProfiles(config: file, credentials: file, selected: selected))
        }
        switch plan {
        case .success(let plan?): try require(depth(of: plan) <= 16, "a chain of \(depth(of: plan)) profiles")
        case .success(nil): break
        case .failure(let error): try requireMessage(error.message)
        }
    }
}

private func depth(of plan: AWSProfilePlan) -> Int {
    if case .assumeRole(_, _, let inner) = plan { 1 + depth(of: inner) } else { 0 }
}

/// Words that are quoted again are the same words.
@Sendable private func checkShellWords(_ input: [UInt8]) throws {
    let text = input.text
    // A combining character after a quote belongs to the same Character.
    guard let words = ShellWords.split(text), text.utf8.allSatisfy({ $0 < 0x80 && $0 != 0x0D }) else {
        return
    }
    let quoted = words.map { "'\($0.replacing("'", with: #"'\''"#))'" }.joined(separator: " ")
    try require(ShellWords.split(quoted) == words, "other words of \(quoted.debugDescription)")
}

/// A response of STS gives credentials for headers, or a message of one line.
@Sendable private func checkSTS(_ input: [UInt8]) throws {
    var choices = InputChoices(input)
    let status = choices.element(of: [200, 400, 403, 500, 503])
    let body = choices.remaining
    let head = HTTPResponseHead(
        status: .init(code: status), fields: [.date: "Sun, 06 Nov 1994 08:49:37 GMT", .retryAfter: "9"])
    let response = STSResponse((head: head, body: SharedSecret(copying: body)), "AssumeRole", "role")
    var skew = AWSClockSkew()
    _ = response.updateClockSkew(&skew, now: Date(timeIntervalSince1970: 1_700_000_000))
    let role = try AWSAssumedRole(arn: "arn:aws:iam::111122223333:role/name", sessionName: nil, from: "x")
    let credentials = outcome { () throws(AWSCredentialsError) in
        try response.credentials(for: role, remedyIfDenied: "ask")
    }
    switch credentials {
    case .success(let credentials):
        try require(credentials.accessKeyID.utf8.allSatisfy { 0x20 < $0 && $0 < 0x7F }, "key id")
    case .failure(let error): try requireMessage(error.message)
    }
}

/// Credentials that never change.
private struct FixedCredentials: AWSCredentialsProvider {
    let value = AWSCredentials(
        accessKeyID: "AKIA", secretAccessKey: SharedSecret(copying: "s".utf8), sessionToken: nil,
        expiration: nil)

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials { value }
    func invalidate(_ credentials: AWSCredentials) -> Bool { false }
}

@Sendable private func checkKMS(_ input: [UInt8]) async throws {
    var choices = InputChoices(input)
    let status = choices.element(of: [200, 400, 403, 413, 429, 500, 503])
    let operation = choices.byte() % 4
    let body = choices.remaining
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    let settings = try AWSSettings.load(
        from: Environment(["SB_KMS_AWS_KEY_ID": arn, "SB_KMS_AWS_REGION": "eu-west-1"]))
    let manager = AWSKeyManager(
        settings, credentials: FixedCredentials(),
        transport: FakeTransport { _ in FakeTransport.Response(status, chunks: [body]) },
        clock: .withoutWaiting())
    let binding = try Binding(scope: .strict, namespace: "n", secretName: "s")
    let recipient = Recipient(keyID: arn, wrappedKey: "QUJDREVGR0hJSktMTU5P")
    do throws(KeyManagerError) {
        switch operation {
        case 0: _ = try await manager.generateDataKey(for: binding)
        case 1: _ = try await manager.unwrap(recipient, for: binding)
        case 2: _ = try await manager.rewrap(recipient, for: binding)
        default: _ = try await manager.publicKey()
        }
    } catch {
        try requireMessage(error.description)
    }
    let response = AWSResponse(
        HTTPResponseHead(status: .init(code: status), fields: [:]), body: SecretBytes(copying: body))
    if let account = response.account {
        try require(AWSKMSResourceARN.isAccountID(account), "account \(account)")
    }
}

@Sendable private func checkAWSCredentials(_ input: [UInt8]) throws {
    guard let document = AWSCredentialsDocument(SecretBytes(copying: input)) else { return }
    _ = (document.version, document.isSuccess)
    if let code = document.errorCode { try requireMessage(code) }
    for (token, needsExpiration) in [("Token", true), ("SessionToken", false)] {
        let result = outcome { () throws(AWSCredentialsError) in
            try document.credentials(token: token, needsExpiration: needsExpiration, from: "source")
        }
        switch result {
        case .success(let credentials):
            let seconds = credentials.expiration?.timeIntervalSince(Date()) ?? 0
            try require(seconds.isFinite && abs(seconds) < 1e12, "\(seconds) seconds")
        case .failure(let error): try requireMessage(error.message)
        }
    }
}

/// The canonical path and query have only encoded characters, and encoding a query again does not change it.
@Sendable private func checkSignature(_ input: [UInt8]) throws {
    let text = input.text
    let path = SigV4URI.path(text)
    let query = SigV4URI.query(text)
    try requireEncoded(path, and: "/")
    try requireEncoded(query, and: "=&")
    try require(path.hasPrefix("/"), "path \(path)")
    try require(!path.split(separator: "/").contains { $0 == "." || $0 == ".." }, "dot segments in \(path)")
    try require(query.isEmpty || SigV4URI.query(query) == query, "another query of \(query)")
    let signer = SigV4Signer(region: "eu-west-1", service: "kms")
    _ = try signer.sign(
        HTTPClientRequest(url: text, fields: [.contentType: text]), with: FixedCredentials().value,
        at: Date(timeIntervalSince1970: 1_440_938_160))
}

private func requireEncoded(_ text: String, and others: String) throws {
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "%") {
            let digits = rest.prefix(2)
            try require(
                digits.count == 2 && digits.allSatisfy("0123456789ABCDEF".utf8.contains), "percent in \(text)"
            )
            rest = rest.dropFirst(2)
        } else {
            try require(byte.isUnreservedInURL || others.utf8.contains(byte), "byte \(byte) in \(text)")
        }
    }
}
