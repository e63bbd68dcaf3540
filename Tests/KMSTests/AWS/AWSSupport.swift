import Envelope
import Foundation
import HTTP
import HTTPTypes
import Settings
import System
import TestSupport

@testable import KMS

let awsARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
let awsRecipient = Recipient(keyID: awsARN, wrappedKey: "QUJDREVGR0hJSktMTU5P")

/// A clock that advances only by sleeping.
final class ManualAWSClock: Sendable {
    private struct State {
        var elapsed = Duration.zero
        var sleeps: [Duration] = []
        var date = Date(timeIntervalSince1970: 1_440_938_160)
    }

    private let state = Locked(State())
    private let start = ContinuousClock.now

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    var now: ContinuousClock.Instant { start + state.withLock { $0.elapsed } }
    func set(_ date: Date) { state.withLock { $0.date = date } }
    func advance(by duration: Duration) { state.withLock { $0.elapsed += duration } }

    var clock: ClientClock {
        ClientClock(
            date: { [self] in state.withLock { $0.date + Double($0.elapsed.components.seconds) } },
            now: { [self] in now },
            sleep: { [self] duration in
                try Task.checkCancellation()
                state.withLock {
                    $0.sleeps.append(duration)
                    $0.elapsed += duration
                }
            })
    }
}

/// Makes a key manager that uses the transport of a test.
func awsKeyManager(
    _ transport: any HTTPTransport, key: String = awsARN, _ more: [String: String] = [:],
    credentials: (any AWSCredentialsProvider)? = nil, clock: ManualAWSClock = ManualAWSClock()
) throws -> AWSKeyManager {
    var values = ["SB_KMS_AWS_KEY_ID": key, "SB_KMS_AWS_REGION": "eu-west-1"]
    values.merge(more) { $1 }
    return AWSKeyManager(
        try AWSSettings.load(from: Environment(values)),
        credentials: credentials ?? StaticCredentials(value: testCredentials()), transport: transport,
        clock: clock.clock)
}

/// Responds like KMS to the given operations, and denies all others.
func fakeKMS(
    _ answers: [String: @Sendable (AnyJSON) -> FakeTransport.Response]
) -> FakeTransport {
    FakeTransport { request in
        guard let target = request.fields[.amzTarget] else {
            return answers["GetCallerIdentity"]?(.null) ?? .kmsError("AccessDenied", status: 403)
        }
        let operation = String(target.dropFirst("TrentService.".count))
        return answers[operation]?(try AnyJSON(request.body)) ?? .kmsError("AccessDeniedException")
    }
}

extension FakeTransport.Response {
    /// An error response of KMS, with the code in the body.
    static func kmsError(
        _ name: String, _ message: String = "canary", status: Int = 400, fields: HTTPFields = [:]
    ) -> FakeTransport.Response {
        .init(status, #"{"__type":"\#(name)","message":"\#(message)"}"#, fields: fields)
    }

    static func decrypted(by arn: String = awsARN, _ plaintext: String = "QUJD") -> FakeTransport.Response {
        .init(
            200, #"{"KeyId":"\#(arn)","Plaintext":"\#(plaintext)","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#
        )
    }

    static func callerIdentity(_ account: String) -> FakeTransport.Response {
        .init(
            200,
            """
            <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
            <Arn>arn:aws:sts::\(account):assumed-role/r/s</Arn><UserId>A:s</UserId><Account>\(account)</Account>
            </GetCallerIdentityResult></GetCallerIdentityResponse>
            """)
    }
}

extension FakeTransport {
    /// The operations of KMS requests, such as `Decrypt`, and the bodies of STS requests.
    var operations: [String] {
        requests.map { $0.fields[.amzTarget].map { String($0.dropFirst("TrentService.".count)) } ?? $0.text }
    }
}

/// Credentials that are replaced when they are invalidated.
final class ReplacedCredentials: AWSCredentialsProvider {
    private let rest: Locked<[AWSCredentials]>
    let refusals = Locked<[String]>([])

    init(_ ids: String...) { rest = Locked(ids.map { testCredentials($0) }) }

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials {
        guard let first = rest.withLock({ $0.first }) else {
            throw AWSCredentialsError(.misconfigured, "there are no credentials left")
        }
        return first
    }

    func invalidate(_ credentials: AWSCredentials) -> Bool {
        refusals.withLock { $0.append(credentials.accessKeyID) }
        return rest.withLock { rest in
            guard rest.count > 1 else { return false }
            rest.removeFirst()
            return true
        }
    }
}
