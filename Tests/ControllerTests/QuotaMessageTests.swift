import Testing

@testable import Controller
@testable import KubeClient

@Suite struct QuotaMessageTests {
    private func message(_ text: String) -> QuotaMessage? {
        QuotaMessage(
            KubeError(
                httpStatus: 403, retryAfter: nil,
                status: Status(kind: "Status", message: text, reason: "Forbidden"), activity: "creating"))
    }

    @Test(arguments: [
        ("exceeded quota: q, requested: secrets=1, used: secrets=3, limited: secrets=3", true),
        (
            "exceeded quota: q, requested: count/secrets=1,secrets=1, used: count/secrets=3,secrets=2, "
                + "limited: count/secrets=3,secrets=2", true
        ),
        ("exceeded quota: q, requested: secrets=1, used: secrets=4, limited: secrets=3", false),
        (
            "exceeded quota: q, requested: a=1,b=1, used: a=1,b=9, limited: a=1,b=8", false
        ),
        ("exceeded quota: q, requested: secrets=1", false),
        ("exceeded quota: q", false),
        ("exceeded quota: q, requested: secrets=1, used: secrets=3k, limited: secrets=3k", false),
        ("exceeded quota: q, requested: s=9223372036854775808, used: s=1, limited: s=1", false),
    ])
    func admitsTheReplacementOfAnEqualObject(text: String, admits: Bool) throws {
        #expect(try #require(message(#"secrets "x" is forbidden: "# + text)).admitsReplacement == admits)
    }

    @Test func isNoOtherRefusal() {
        #expect(message("User x cannot create") == nil)
    }
}
