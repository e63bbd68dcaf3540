import Envelope
import TestSupport
import Testing

@testable import CLI

struct CheckupTests {
    @Test func aKeyThatMayDoAllIsWell() async throws {
        let findings = await KeyCheckup(try FakeKeyManager()).findings()
        #expect(findings.count == 4)
        #expect(findings.allSatisfy { $0.verdict == .works })
        #expect(findings.isUsable)
    }

    @Test func aKeyThatIsAwayMayDoNothing() async throws {
        let key = try FakeKeyManager()
        key.fail(.unavailable)
        let findings = await KeyCheckup(key).findings()
        #expect(findings.count == 1)
        #expect(!findings.isUsable)
        #expect(findings[0].line.plain.contains("NO   make a data key (wrap): scripted"))
    }

    @Test func clocksAreComparedByTheMinute() {
        #expect(ClusterCheckup.verdict(seconds: 59) == .works)
        #expect(
            ClusterCheckup.verdict(seconds: -90)
                == .fails("it is 90 s behind the API server's; set up NTP"))
        #expect(
            ClusterCheckup.verdict(seconds: 3600)
                == .fails("it is 3600 s ahead of the API server's; set up NTP"))
    }
}
