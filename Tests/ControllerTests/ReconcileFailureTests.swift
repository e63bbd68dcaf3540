import Envelope
import Resources
import System
import Testing

@testable import Controller
@testable import KubeClient

/// The failure that follows from each error of the KMS, of an envelope and of the API server.
@Suite struct ReconcileFailureTests {
    private func name(_ failure: ReconcileFailure) -> String {
        switch failure {
        case .notReady(let reason, _, _): reason.rawValue
        case .contested: "contested"
        case .transient: "transient"
        case .throttled: "throttled"
        case .waitingForMemory: "waitingForMemory"
        case .waitingForProvider: "waitingForProvider"
        case .requeueAfter: "requeueAfter"
        case .objectGone: "objectGone"
        }
    }

    private func message(_ failure: ReconcileFailure) -> String {
        if case .notReady(_, let message, _) = failure { message } else { "" }
    }

    static let keyManager: [(KeyManagerError.Code, String)] = [
        (.invalidCiphertext, "DecryptFailed"), (.accessDenied, "UnwrapDenied"),
        (.keyUnavailable, "KeyUnavailable"), (.misconfigured, "KMSUnavailable"),
        (.throttled, "KMSUnavailable"), (.unavailable, "KMSUnavailable"), (.cancelled, "transient"),
    ]

    @Test(arguments: keyManager) func mapsAnErrorOfTheKMS(code: KeyManagerError.Code, expected: String) {
        let error = KeyManagerError(code, keyID: "k", message: "m")
        #expect(name(ReconcileFailure(unwrapping: .keyManager(error))) == expected)
    }

    static let envelope: [(EnvelopeError, String)] = [
        (.invalid(field: "f", problem: "p"), "InvalidSpec"), (.unsupportedFormat("v2"), "UnsupportedFormat"),
        (.noUsableRecipient(recipients: ["a"], configured: ["b"]), "NoUsableRecipient"),
        (.integrityFailed(keyID: "k"), "IntegrityFailed"),
        (.decryptFailed(entry: "e", keyID: "k"), "DecryptFailed"),
    ]

    @Test(arguments: envelope) func mapsAnErrorOfTheEnvelope(error: EnvelopeError, expected: String) {
        #expect(name(ReconcileFailure(unwrapping: error)) == expected)
    }

    @Test func aCiphertextThatCannotBeDecryptedNamesItsBinding() {
        let error = KeyManagerError(.invalidCiphertext, keyID: "k", message: "m")
        #expect(
            message(ReconcileFailure(unwrapping: .keyManager(error))).contains("namespace and Secret name"))
    }

    struct Rejection: Sendable {
        var code: Int
        var message = ""
        var causes: [(reason: String, field: String)] = []
        let expected: String
    }

    private static let secretForbidden = #"secrets "db" is forbidden: "#

    static let rejections = [
        Rejection(code: 403, message: "secrets is forbidden: User x cannot create", expected: "Forbidden"),
        Rejection(
            code: 403,
            message: secretForbidden + "unable to create new content in namespace payments because",
            causes: [("NamespaceTerminating", "metadata.namespace")], expected: "NamespaceTerminating"),
        Rejection(
            code: 403, message: secretForbidden + "exceeded quota: q, requested: count/secrets=1",
            expected: "QuotaExceeded"),
        Rejection(
            code: 403, message: #"admission webhook "x.y" denied the request: canary"#,
            expected: "AdmissionDenied"),
        Rejection(
            code: 400, message: #"admission webhook "x.y" denied the request: canary"#,
            expected: "AdmissionDenied"),
        Rejection(
            code: 422,
            message: secretForbidden
                + "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: canary",
            causes: [("", "")], expected: "AdmissionDenied"),
        Rejection(code: 422, causes: [("FieldValueInvalid", "type")], expected: "SecretTypeChanged"),
        Rejection(code: 422, causes: [("FieldValueForbidden", "data")], expected: "ImmutableSecret"),
        Rejection(code: 422, causes: [("FieldValueForbidden", "immutable")], expected: "ImmutableSecret"),
        Rejection(code: 422, causes: [("FieldValueTooLong", "data")], expected: "InvalidSpec"),
        Rejection(
            code: 422, causes: [("FieldValueInvalid", "data[.dockerconfigjson]")], expected: "InvalidSpec"),
        Rejection(code: 422, message: "the server rejected our request", expected: "transient"),
        Rejection(code: 413, expected: "TooLarge"), Rejection(code: 409, expected: "transient"),
        Rejection(code: 404, expected: "transient"), Rejection(code: 429, expected: "transient"),
        Rejection(code: 500, expected: "transient"), Rejection(code: 503, expected: "transient"),
    ]

    @Test(arguments: rejections) func mapsARejectionOfTheAPIServer(rejection: Rejection) {
        var status = Status()
        status.message = rejection.message
        status.reason = rejection.code == 422 ? "Invalid" : nil
        status.details = Status.Details()
        status.details?.causes = rejection.causes.map {
            var cause = Status.Cause()
            cause.reason = $0.reason
            cause.field = $0.field
            return cause
        }
        let error = KubeError(
            httpStatus: rejection.code, retryAfter: nil, status: status, activity: "creating Secret n/db")
        let failure = ReconcileFailure(accessing: error)
        #expect(name(failure) == rejection.expected)
        #expect(!message(failure).contains("canary"), "an admission webhook may quote a value")
    }

    private func persistentMessage(_ code: Int, _ message: String) -> String {
        var status = Status()
        status.message = message
        return ReconcileFailure.persistentMessage(
            KubeError(httpStatus: code, retryAfter: nil, status: status, activity: "creating Secret n/db"))
    }

    @Test func theMessageOfAFailedWebhookNamesItAndQuotesNothingElse() {
        let message = persistentMessage(
            500, #"Internal error occurred: failed calling webhook "a.example.org": x: (canary)"#)
        #expect(message.contains("the admission webhook a.example.org fails"))
        #expect(!message.contains("canary"))
    }

    @Test func theMessageOfABadRequestQuotesNothing() {
        #expect(!persistentMessage(400, "json: cannot unmarshal canary").contains("canary"))
    }

    @Test func theMessageOfAServerErrorIsQuoted() {
        let message = persistentMessage(500, "etcdserver: mvcc: database space exceeded")
        #expect(message.contains("database space exceeded"))
    }

    @Test(arguments: [400, 409, 500, 503]) func eachPersistentMessageNamesTheActivity(code: Int) {
        #expect(persistentMessage(code, "x").hasPrefix("creating Secret n/db: "))
    }
}
