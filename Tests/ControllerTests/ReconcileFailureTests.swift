import Envelope
import Resources
import System
import Testing

@testable import Controller
@testable import KubeClient

/// What follows from each way in which the KMS or the API server can refuse.
@Suite struct ReconcileFailureTests {
    private func words(_ failure: ReconcileFailure) -> String {
        switch failure {
        case .notReady(let reason, _): reason.rawValue
        case .transient: "again"
        case .throttled: "throttled"
        case .waitingForMemory: "waitsForMemory"
        case .requeueAfter: "later"
        case .objectGone: "moot"
        }
    }

    private func message(_ failure: ReconcileFailure) -> String {
        if case .notReady(_, let message) = failure { message } else { "" }
    }

    static let keyManager: [(KeyManagerError.Code, String)] = [
        (.invalidCiphertext, "DecryptFailed"), (.accessDenied, "UnwrapDenied"),
        (.keyUnavailable, "KeyUnavailable"), (.misconfigured, "KMSUnavailable"),
        (.throttled, "KMSUnavailable"), (.unavailable, "KMSUnavailable"), (.cancelled, "again"),
    ]

    @Test(arguments: keyManager) func ofTheKMS(code: KeyManagerError.Code, expected: String) {
        let error = KeyManagerError(code, keyID: "k", message: "m")
        #expect(words(ReconcileFailure(opening: .keyManager(error))) == expected)
    }

    static let envelope: [(EnvelopeError, String)] = [
        (.invalid(field: "f", problem: "p"), "InvalidSpec"), (.unsupportedFormat("v2"), "UnsupportedFormat"),
        (.noUsableRecipient(recipients: ["a"], configured: ["b"]), "NoUsableRecipient"),
        (.integrityFailed, "IntegrityFailed"), (.decryptFailed(entry: "e"), "DecryptFailed"),
    ]

    @Test(arguments: envelope) func ofTheEnvelope(error: EnvelopeError, expected: String) {
        #expect(words(ReconcileFailure(opening: error)) == expected)
    }

    @Test func aCopyIsToldWhereToLook() {
        let error = KeyManagerError(.invalidCiphertext, keyID: "k", message: "m")
        #expect(message(ReconcileFailure(opening: .keyManager(error))).contains("namespace and Secret name"))
    }

    struct Refusal: Sendable {
        var code: Int
        var words = ""
        var causes: [(reason: String, field: String)] = []
        let expected: String
    }

    private static let secretForbidden = #"secrets "db" is forbidden: "#

    static let refusals = [
        Refusal(code: 403, words: "secrets is forbidden: User x cannot create", expected: "Forbidden"),
        Refusal(
            code: 403, words: secretForbidden + "unable to create new content in namespace payments because",
            causes: [("NamespaceTerminating", "metadata.namespace")], expected: "NamespaceTerminating"),
        Refusal(
            code: 403, words: secretForbidden + "exceeded quota: q, requested: count/secrets=1",
            expected: "QuotaExceeded"),
        Refusal(
            code: 403, words: #"admission webhook "x.y" denied the request: canary"#,
            expected: "AdmissionDenied"),
        Refusal(
            code: 400, words: #"admission webhook "x.y" denied the request: canary"#,
            expected: "AdmissionDenied"),
        Refusal(
            code: 422,
            words: secretForbidden + "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: canary",
            causes: [("", "")], expected: "AdmissionDenied"),
        Refusal(code: 422, causes: [("FieldValueInvalid", "type")], expected: "SecretTypeChanged"),
        Refusal(code: 422, causes: [("FieldValueForbidden", "data")], expected: "ImmutableSecret"),
        Refusal(code: 422, causes: [("FieldValueForbidden", "immutable")], expected: "ImmutableSecret"),
        Refusal(code: 422, causes: [("FieldValueTooLong", "data")], expected: "InvalidSpec"),
        Refusal(
            code: 422, causes: [("FieldValueInvalid", "data[.dockerconfigjson]")], expected: "InvalidSpec"),
        Refusal(code: 422, words: "the server rejected our request", expected: "again"),
        Refusal(code: 413, expected: "TooLarge"), Refusal(code: 409, expected: "again"),
        Refusal(code: 404, expected: "again"), Refusal(code: 429, expected: "again"),
        Refusal(code: 500, expected: "again"), Refusal(code: 503, expected: "again"),
    ]

    @Test(arguments: refusals) func ofTheAPIServer(refusal: Refusal) {
        var status = Status()
        status.message = refusal.words
        status.reason = refusal.code == 422 ? "Invalid" : nil
        status.details = Status.Details()
        status.details?.causes = refusal.causes.map {
            var cause = Status.Cause()
            cause.reason = $0.reason
            cause.field = $0.field
            return cause
        }
        let error = KubeError(
            httpStatus: refusal.code, retryAfter: nil, status: status, activity: "creating Secret n/db")
        let failure = ReconcileFailure(accessing: error)
        #expect(words(failure) == refusal.expected)
        #expect(!message(failure).contains("canary"), "an admission webhook may quote a value")
    }

    @Test func whatLastsIsToldWithoutRepeatingWhatWasSent() {
        func told(_ code: Int, _ words: String) -> String {
            var status = Status()
            status.message = words
            return ReconcileFailure.persistentMessage(
                lasting: KubeError(
                    httpStatus: code, retryAfter: nil, status: status, activity: "creating Secret n/db"))
        }
        let webhook = told(
            500, #"Internal error occurred: failed calling webhook "a.example.org": x: (canary)"#)
        #expect(webhook.contains("the admission webhook a.example.org fails") && !webhook.contains("canary"))
        #expect(!told(400, "json: cannot unmarshal canary").contains("canary"))
        #expect(told(500, "etcdserver: mvcc: database space exceeded").contains("database space exceeded"))
        for code in [400, 409, 500, 503] { #expect(told(code, "x").hasPrefix("creating Secret n/db: ")) }
    }

    @Test func whatConcernsEveryRequestIsNotToldOfOneObject() {
        func isTold(_ code: KubeError.Code) -> Bool {
            KubeError(code, activity: "", message: "").isObjectSpecific
        }
        #expect(isTold(.internalError) && isTold(.badRequest) && isTold(.timeout) && isTold(.conflict))
        #expect(!isTold(.transport) && !isTold(.unauthorized) && !isTold(.tooManyRequests))
    }

    @Test func permanentTroubleIsNotCalledOrdinary() {
        func isOrdinary(_ code: KubeError.Code, causes: Bool = false) -> Bool {
            var status = Status()
            status.details = Status.Details()
            status.details?.causes = causes ? [Status.Cause()] : []
            return KubeError(code, activity: "", message: "", status: status).isExpected
        }
        #expect(isOrdinary(.conflict) && isOrdinary(.invalid) && isOrdinary(.unavailable))
        #expect(!isOrdinary(.invalid, causes: true) && !isOrdinary(.badRequest) && !isOrdinary(.unauthorized))
    }
}
