import Testing

@testable import HTTP

struct RetryAfterTests {
    @Test(arguments: [
        ("0", 0), ("120", 120), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 10), ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 4_133_980_799),
    ])
    func parsesSecondsAndDates(text: String, seconds: Int) {
        #expect(RetryAfter.delay(text, now: 0) == .seconds(seconds))
    }

    @Test func returnsZeroForAPastDate() {
        #expect(RetryAfter.delay("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_778) == .zero)
        #expect(RetryAfter.delay("Sun, 06 Nov 1994 08:49:37 GMT", now: 784_111_770) == .seconds(7))
    }

    @Test(arguments: [
        "", "-1", "1.5", "soon", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ])
    func rejectsOtherForms(text: String) {
        #expect(RetryAfter.delay(text, now: 0) == nil)
    }
}
