import Testing

@testable import Controller
@testable import KubeClient

@Suite struct KubeErrorClassificationTests {
    private func error(_ code: KubeError.Code, causes: Int = 0) -> KubeError {
        var status = Status()
        status.details = Status.Details()
        status.details?.causes = Array(repeating: Status.Cause(), count: causes)
        return KubeError(code, activity: "", message: "", status: status)
    }

    private func quotaError(_ message: String) -> KubeError {
        KubeError(
            httpStatus: 403, retryAfter: nil,
            status: Status(kind: "Status", message: message, reason: "Forbidden"), activity: "creating")
    }

    @Test(arguments: [KubeError.Code.internalError, .badRequest, .timeout, .conflict])
    func anErrorThatOnlyThisRequestGetsIsObjectSpecific(code: KubeError.Code) {
        #expect(error(code).isObjectSpecific)
    }

    @Test(arguments: [KubeError.Code.transport, .unauthorized, .tooManyRequests])
    func anErrorThatEveryRequestGetsIsNotObjectSpecific(code: KubeError.Code) {
        #expect(!error(code).isObjectSpecific)
    }

    @Test(arguments: [KubeError.Code.conflict, .invalid, .unavailable])
    func aTransientErrorIsExpected(code: KubeError.Code) {
        #expect(error(code).isExpected)
    }

    @Test(arguments: [KubeError.Code.badRequest, .unauthorized])
    func aPermanentErrorIsNotExpected(code: KubeError.Code) {
        #expect(!error(code).isExpected)
    }

    @Test func aRejectedFieldIsNotExpected() {
        #expect(!error(.invalid, causes: 1).isExpected)
    }

    @Test(arguments: [
        ("exceeded quota: q, requested: secrets=1, used: secrets=3, limited: secrets=3", true),
        (
            "exceeded quota: q, requested: count/secrets=1,secrets=1, used: count/secrets=3,secrets=2, "
                + "limited: count/secrets=3,secrets=2", true
        ),
        ("exceeded quota: q, requested: secrets=1, used: secrets=4, limited: secrets=3", false),
        ("exceeded quota: q, requested: a=1,b=1, used: a=1,b=9, limited: a=1,b=8", false),
        ("exceeded quota: q, requested: secrets=1", false),
        ("exceeded quota: q", false),
        ("exceeded quota: q, requested: secrets=1, used: secrets=3k, limited: secrets=3k", false),
        ("exceeded quota: q, requested: s=9223372036854775808, used: s=1, limited: s=1", false),
        ("User x cannot create", false),
    ])
    func aQuotaAllowsTheReplacementOfAnEqualObject(message: String, isAllowed: Bool) {
        #expect(quotaError(#"secrets "x" is forbidden: "# + message).quotaAllowsReplacement == isAllowed)
    }
}
