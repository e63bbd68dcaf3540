import Cryptography
import Foundation
import HTTP
import HTTPTypes
import System
import TestSupport
import Testing

@testable import KubeClient

@Suite struct KubeErrorTests {
    private let ref = ObjectRef(namespace: "payments", name: "db")
    private let body = SharedSecret(copying: #"{"data":{"pw":"Y2FuYXJ5"}}"#.utf8)

    private func error(_ response: FakeTransport.Response, write: Bool = true) async -> KubeError? {
        let client = KubeClient(FakeTransport(script: [response] + [response, response, response]))
        return await failure { () throws(KubeError) in
            if write {
                try await client.create(.secrets, ref, body: body)
            } else {
                try await client.get(SecretMetadata.self, ref).metadata
            }
        }
    }

    static let codes: [(Int, String, KubeError.Code)] = [
        (401, "Unauthorized", .unauthorized), (403, "Forbidden", .forbidden), (404, "NotFound", .notFound),
        (409, "AlreadyExists", .alreadyExists), (409, "Conflict", .conflict), (410, "Expired", .expired),
        (410, "Gone", .expired), (422, "Invalid", .invalid), (400, "BadRequest", .badRequest),
        (406, "NotAcceptable", .notAcceptable), (415, "UnsupportedMediaType", .notAcceptable),
        (413, "RequestEntityTooLarge", .tooLarge), (429, "TooManyRequests", .tooManyRequests),
        (500, "InternalError", .internalError), (503, "ServiceUnavailable", .unavailable),
        (504, "Timeout", .timeout), (418, "", .otherStatus),
    ]

    @Test(arguments: codes) func mapsStatusAndReasonToACode(
        code: Int, reason: String, expected: KubeError.Code
    )
        async
    {
        #expect(await error(.status(code, reason, "message"))?.code == expected)
    }

    @Test func describesTheActivityAndTheReason() async {
        let error = await error(.status(403, "Forbidden", "secrets is forbidden: User x cannot create"))
        #expect(
            error?.description
                == "creating Secret payments/db: secrets is forbidden: User x cannot create")
    }

    @Test(arguments: ["", "<html>502</html>", "{", #"{"kind":"Status"}"#])
    func describesResponsesWithoutAStatus(body: String) async {
        #expect(
            await error(.init(502, body))?.description
                == "creating Secret payments/db: the API server returned HTTP 502")
    }

    /// The message of a 422 quotes the invalid part, which may be a value.
    @Test func doesNotQuoteInvalidValues() async {
        let error = await error(
            .status(
                422, "Invalid", #"Secret \"db\" is invalid: data[x]: Invalid value: \"canary\""#,
                details: #"{"causes":[{"reason":"FieldValueInvalid","field":"data[x]","#
                    + #""message":"Invalid value: \"canary\""},{"reason":"FieldValueRequired","field":"type"}]}"#
            ))
        #expect(
            error?.description
                == "creating Secret payments/db: data[x] (FieldValueInvalid), type (FieldValueRequired)")
        #expect(error?.status?.message == nil)
        #expect(error?.status?.details?.causes?.compactMap(\.message) == [])
    }

    /// A failed test of a JSON Patch, and servers other than Kubernetes', name no causes.
    @Test(arguments: ["Invalid", "", "PatchFailed"])
    func doesNotQuoteTheMessageOfAnInvalidObjectWithoutCauses(reason: String) async {
        let error = await error(.status(422, reason, #"data[x]: Invalid value: \"Y2FuYXJ5\""#))
        #expect(error?.code == .invalid)
        #expect(error?.description == "creating Secret payments/db: the API server returned HTTP 422")
        #expect(error?.status?.message == nil)
    }

    @Test func doesNotQuoteACauseOfAnotherReason() async {
        let error = await error(
            .status(
                422, "Rejected", "pw is Y2FuYXJ5", details: #"{"causes":[{"message":"Y2FuYXJ5"}]}"#))
        #expect(error?.description == "creating Secret payments/db: the API server returned HTTP 422")
        #expect(error?.status?.details?.causes?.first?.message == nil)
    }

    /// The response may quote the body, and its message has memory of its own.
    @Test(arguments: [400, 403, 422, 500]) func zeroesTheResponseToASecretBody(code: Int) async {
        let text = #"{"kind":"Status","message":"\#(String(repeating: "x", count: 3000))"}"#
        let seen = Locked<[ReleasedMemory]>([])
        await SecretMemory.$onRelease.withValue({ memory in
            let release = ReleasedMemory(count: memory.count, isZero: memory.allSatisfy { $0 == 0 })
            seen.withLock { $0.append(release) }
        }) {
            #expect(await error(.init(code, text)) != nil)
        }
        #expect(seen.withLock { $0 }.contains(ReleasedMemory(count: text.utf8.count, isZero: true)))
        #expect(seen.withLock { $0 }.contains(ReleasedMemory(count: 3000, isZero: true)))
    }

    /// A server that cannot parse a body quotes a part of it: `error found in #10 byte of ...|"pw":"Y2Fu|...`.
    @Test func doesNotQuotePartsOfABody() async {
        let response = FakeTransport.Response.status(400, "BadRequest", "error found in ...|Y2FuYXJ5|...")
        #expect(
            await error(response)?.description
                == "creating Secret payments/db: the API server returned HTTP 400")
        #expect(
            await error(response, write: false)?.message.hasPrefix("error found") == true,
            "the message helps if the request had no body")
    }

    /// A webhook that returns a patch which cannot be applied makes the API server quote the object.
    @Test(arguments: [500, 503]) func doesNotQuotePartsOfABodyInAServerError(code: Int) async {
        let response = FakeTransport.Response.status(
            code, "InternalError", "Internal error occurred: error found in #10 byte of ...|Y2FuYXJ5|...")
        #expect(
            await error(response)?.description
                == "creating Secret payments/db: the API server returned HTTP \(code)")
    }

    @Test func namesTheFailureOfAWebhookAndOfEtcd() async {
        let webhook = #"Internal error occurred: failed calling webhook \"a.example.org\": Post: Y2FuYXJ5"#
        #expect(
            await error(.status(500, "InternalError", webhook))?.message
                == #"failed calling webhook "a.example.org""#)
        let etcd = "etcdserver: mvcc: database space exceeded"
        #expect(await error(.status(500, "", etcd))?.message == etcd)
    }

    /// The API server returns 400 for a webhook that sets no code. Most set 403.
    @Test(arguments: [(400, "BadRequest"), (403, "Forbidden")])
    func namesTheWebhookThatDeniedTheRequestWithoutItsReason(code: Int, reason: String) async {
        let message = #"admission webhook \"x.example.org\" denied the request: not {\"pw\":\"Y2FuYXJ5\"}"#
        let error = await error(.status(code, reason, message))
        #expect(
            error?.description
                == #"creating Secret payments/db: admission webhook "x.example.org" denied the request"#)
        #expect(error?.status?.message?.contains("Y2FuYXJ5") == false)
    }

    @Test func keepsTheMessageThatQuotesNothing() async {
        let message = "secrets db is forbidden: exceeded quota: x"
        let error = await error(
            .status(403, "Forbidden", message, details: #"{"causes":[{"message":"m"}]}"#))
        #expect(error?.status?.message == message)
        #expect(error?.status?.details?.causes?.first?.message == "m")
    }

    @Test func readsRetryAfterFromHeaderAndStatus() async {
        #expect(await error(.init(503, "", fields: [.retryAfter: "7"]))?.retryAfter == .seconds(7))
        let status = await error(.status(500, "ServerTimeout", details: #"{"retryAfterSeconds":9}"#))
        #expect(status?.retryAfter == .seconds(9))
        #expect(await error(.init(503, "", fields: [.retryAfter: "soon"]))?.retryAfter == nil)
    }

    @Test func recognizesAResourceVersionThatIsTooLarge() async {
        let details = #"{"causes":[{"reason":"ResourceVersionTooLarge","message":"m"}]}"#
        #expect(
            await error(.status(504, "Timeout", details: details), write: false)?.isResourceVersionTooLarge
                == true)
        #expect(
            await error(.status(504, "Timeout", "Too large resource version: 9"), write: false)?
                .isResourceVersionTooLarge
                == true)
        #expect(await error(.status(504, "Timeout"), write: false)?.isResourceVersionTooLarge == false)
    }

    @Test func reportsAMalformedResponse() async {
        let error = await error(.init(200, #"{"metadata":{"uid":"canary"}}"#))
        #expect(error?.code == .malformedResponse)
        #expect(error?.message == "the response is malformed: metadata.name is missing")
    }
}
