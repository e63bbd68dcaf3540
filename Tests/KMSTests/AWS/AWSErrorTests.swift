import Envelope
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KMS

/// Maps the errors of AWS to those of a key manager.
struct AWSErrorTests {
    private static let canary = "canary-that-aws-quotes"

    private func failure(
        _ response: FakeTransport.Response, clock: ManualAWSClock = ManualAWSClock()
    ) async throws -> (error: KeyManagerError?, attempts: Int) {
        let transport = FakeTransport { _ in response }
        let manager = try awsKeyManager(transport, clock: clock)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        return (error, transport.requests.count)
    }

    @Test(arguments: [
        (
            400, "AccessDeniedException", KeyManagerError.Code.accessDenied,
            "denies kms:Decrypt on arn:aws:kms:", 1
        ),
        (400, "NotFoundException", .keyUnavailable, "cannot find the key", 1),
        (400, "DisabledException", .keyUnavailable, "is disabled; enable it", 1),
        (400, "KMSInvalidStateException", .keyUnavailable, "pending deletion", 1),
        (400, "InvalidCiphertextException", .invalidCiphertext, "another namespace, name or scope", 1),
        (400, "IncorrectKeyException", .invalidCiphertext, "another key wrapped it", 1),
        (400, "InvalidKeyUsageException", .invalidCiphertext, "is asymmetric", 1),
        (400, "ThrottlingException", .throttled, "SB_KMS_AWS_MAX_RPS", 3),
        (400, "LimitExceededException", .throttled, "throttles", 3),
        (503, "SlowDown", .throttled, "throttles", 3),
        (429, "", .throttled, "throttles", 3), (429, "Whatever", .throttled, "throttles", 3),
        (500, "KMSInternalException", .unavailable, "HTTP 500", 3),
        (503, "DependencyTimeoutException", .unavailable, "key store", 3),
        (500, "KeyUnavailableException", .unavailable, "key store", 3),
        (502, "", .unavailable, "HTTP 502", 3),
        (504, "SomethingNew", .unavailable, "HTTP 504", 3),
        (400, "RequestTimeout", .unavailable, "failed", 3),
        (400, "ExpiredTokenException", .accessDenied, "rejects the credentials", 1),
        (400, "UnrecognizedClientException", .accessDenied, "rejects the credentials", 1),
        (403, "InvalidClientTokenId", .accessDenied, "rejects the credentials", 1),
        (400, "InvalidSignatureException", .misconfigured, "secret access key", 1),
        (403, "SignatureDoesNotMatch", .misconfigured, "secret access key", 1),
        (403, "RequestTimeTooSkewed", .misconfigured, "clock is wrong", 1),
        (400, "ValidationException", .misconfigured, "CloudTrail", 1),
        (400, "Brand.New", .misconfigured, "CloudTrail", 1),
    ])
    func mapsErrorCodesToKeyManagerErrors(
        status: Int, name: String, code: KeyManagerError.Code, expected: String, attempts: Int
    )
        async throws
    {
        let seen = try await failure(.kmsError(name, Self.canary, status: status))
        let error = try #require(seen.error)
        #expect(error.code == code)
        #expect(error.message.contains(expected), "\(error.message)")
        #expect(!error.message.contains(Self.canary))
        #expect(!error.message.contains("\n"))
        #expect(error.keyID == awsARN)
        #expect(seen.attempts == attempts)
        if !name.isEmpty { #expect(!error.message.contains("Brand")) }
    }

    @Test(arguments: [
        FakeTransport.Response(400, #"{"__type":"com.amazonaws.kms#DisabledException"}"#),
        .init(400, #"{"__type":"DisabledException:http://internal.amazon.com/coral/com.amazonaws.kms/"}"#),
        .init(400, #"{"code":"DisabledException"}"#), .init(400, #"{"code":"a#DisabledException:b"}"#),
        .init(400, "", fields: [.amznErrorType: "DisabledException:http://x/"]),
        .init(400, #"{"__type":"NotFoundException"}"#, fields: [.amznErrorType: "DisabledException"]),
        .init(
            400,
            "<ErrorResponse><Error><Type>Sender</Type><Code>DisabledException</Code></Error></ErrorResponse>"),
    ])
    func readsErrorCodesInAllForms(response: FakeTransport.Response) async throws {
        #expect(try await failure(response).error?.code == .keyUnavailable)
    }

    @Test(arguments: [400, 403, 404, 301])
    func reportsAServerThatIsNotAWS(status: Int) async throws {
        let error = try await failure(.init(status, "<html>\(Self.canary)</html>")).error
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("is not AWS KMS (HTTP \(status))") == true)
        #expect(error?.message.contains("SB_KMS_AWS_ENDPOINT") == true)
    }

    @Test func waitsForRetryAfter() async throws {
        let clock = ManualAWSClock()
        let seen = try await failure(
            .kmsError("ThrottlingException", fields: [.retryAfter: "2"]), clock: clock)
        #expect(seen.error?.retryAfter == .seconds(2))
        #expect(clock.sleeps.filter { $0 == .seconds(2) }.count == 2)
        // The caller gets a delay that is longer than the request's timeout.
        let longer = try await failure(.kmsError("ThrottlingException", fields: [.retryAfter: "60"]))
        #expect(longer.error?.retryAfter == .seconds(60))
        #expect(longer.attempts == 1)
    }

    @Test(arguments: [
        (HTTPError.Code.connectFailed, KeyManagerError.Code.unavailable, 3), (.timedOut, .unavailable, 3),
        (.nameNotResolved, .unavailable, 3), (.connectionClosed, .unavailable, 3),
        (.certificateUntrusted, .misconfigured, 1), (.certificateNameMismatch, .misconfigured, 1),
        (.cancelled, .cancelled, 1), (.protocolError, .unavailable, 1), (.responseTooLarge, .unavailable, 1),
    ])
    func mapsTransportErrors(code: HTTPError.Code, expected: KeyManagerError.Code, attempts: Int) async throws
    {
        let transport = FakeTransport { _ in throw HTTPError(code, activity: "POST https://kms") }
        let manager = try awsKeyManager(transport)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(error?.code == expected)
        #expect(transport.requests.count == attempts)
    }

    @Test(arguments: [
        (AWSCredentialsError.Code.misconfigured, KeyManagerError.Code.misconfigured),
        (.denied, .accessDenied),
        (.unavailable, .unavailable), (.cancelled, .cancelled),
    ])
    func mapsCredentialsErrors(code: AWSCredentialsError.Code, expected: KeyManagerError.Code) async throws {
        struct Broken: AWSCredentialsProvider {
            let error: AWSCredentialsError
            func credentials() async throws(AWSCredentialsError) -> AWSCredentials { throw error }
            func invalidate(_ credentials: AWSCredentials) -> Bool { false }
        }
        let provider = Broken(error: AWSCredentialsError(code, "the reason", retryAfter: .seconds(3)))
        let transport = FakeTransport { _ in .decrypted() }
        let manager = try awsKeyManager(transport, credentials: provider)
        let error = await keyManagerError { () throws(KeyManagerError) in
            try await manager.unwrap(awsRecipient, for: sampleBinding)
        }
        #expect(
            error == KeyManagerError(expected, keyID: awsARN, message: "the reason", retryAfter: .seconds(3)))
        #expect(transport.requests.isEmpty)
    }
}
