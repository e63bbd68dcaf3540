import Envelope
import Foundation
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

struct CheckupTests {
    @Test func aKeyThatMayDoAllIsWell() async throws {
        let findings = await KeyCheckup(try FakeKeyManager(), namespace: "payments").findings()
        #expect(findings.count == 4)
        #expect(findings.allSatisfy { $0.verdict == .works })
        #expect(findings.isUsable)
    }

    @Test func aKeyThatIsAwayMayDoNothing() async throws {
        let key = try FakeKeyManager()
        key.fail(.unavailable)
        let findings = await KeyCheckup(key, namespace: "payments").findings()
        #expect(findings.count == 1)
        #expect(!findings.isUsable)
        #expect(findings[0].line.plain.contains("NO   make a data key (wrap): scripted"))
    }

    @Test func aFailureThatComesAgainIsNotRepeated() {
        var told: Set<String> = []
        let findings = [
            KeyCheckup.Finding("wrap", .fails("no credentials")), .init("unwrap", .fails("no credentials")),
            .init("re-wrap", .fails("denied")), .init("list", .works),
        ]
        #expect(
            findings.lines(told: &told).map(\.plain) == [
                "  NO   wrap: no credentials", "  NO   unwrap: as above", "  NO   re-wrap: denied",
                "  yes  list",
            ])
        // Nor for the next key.
        #expect(findings[0...0].map(\.self).lines(told: &told).map(\.plain) == ["  NO   wrap: as above"])
    }

    private func evidence(_ items: [(name: String, observed: Int64?, created: String)]) throws
        -> WatchEvidence
    {
        let list = items.map {
            """
            {"metadata": {"namespace": "a", "name": "\($0.name)", "creationTimestamp": "\($0.created)"}
             \($0.observed.map { #", "status": {"observedGeneration": \#($0)}"# } ?? "")}
            """
        }
        let page = try JSONReader.read(
            ListPage<WrappedSecret>.self,
            from: Array(#"{"metadata": {}, "items": [\#(list.joined(separator: ","))]}"#.utf8))
        return WatchEvidence(page.items, now: try Date("2026-01-01T00:01:00Z", strategy: .iso8601))
    }

    @Test func anObjectThatNoControllerHasSeenIsEvidence() throws {
        let old = "2026-01-01T00:00:00Z"
        #expect(try evidence([("x", 1, old), ("y", 2, old)]).verdict == .works)
        guard case .untried = try evidence([]).verdict else {
            Issue.record("an empty namespace shows nothing")
            return
        }
        for unseen in [-1, nil] as [Int64?] {
            guard case .fails(let why) = try evidence([("x", 1, old), ("y", unseen, old)]).verdict else {
                Issue.record("nobody has seen y")
                return
            }
            #expect(why.hasPrefix("WrappedSecret a/y was created 60 s ago"), "\(why)")
        }
        let new = try evidence([("x", -1, "2026-01-01T00:00:55Z")])
        #expect(new.isPending)
        #expect(try !evidence([("x", 1, old)]).isPending)
    }

    /// A status outlives the controller that wrote it.
    @Test func oldEvidenceIsNoProof() throws {
        let old = "2025-01-01T00:00:00Z"
        let evidence = try evidence([("x", 1, old), ("y", 2, "2025-02-01T00:00:00Z")])
        #expect(evidence.isOld)
        guard case .untried(let why) = evidence.verdict else {
            Issue.record("nothing shows that one runs")
            return
        }
        #expect(
            why.hasPrefix("the last sign of one is of 2025-02-01T00:00:00Z, at WrappedSecret a/y"), "\(why)")
    }

    private func page(_ keyIDs: [String], more: String = "") throws -> ListPage<WrappedSecret> {
        let items = keyIDs.map {
            #"{"metadata": {"namespace": "a", "name": "x"}, "spec": {"format": "v1", "scope": "strict", "mac": "QUJD", "recipients": [{"keyID": "\#($0)", "wrappedKey": "QUJD"}]}}"#
        }
        return try JSONReader.read(
            ListPage<WrappedSecret>.self,
            from: Array(
                #"{"metadata": {"continue": "\#(more)"}, "items": [\#(items.joined(separator: ","))]}"#.utf8))
    }

    @Test func keysThatNoWrappedSecretListsAreReported() throws {
        let key = try FakeKeyManager()
        #expect(ClusterCheckup.verdict(try page([]), key.ring) == nil)
        #expect(ClusterCheckup.verdict(try page(["local:0", key.keyID]), key.ring) == .works)
        let what = "lists a configured key; they list local:0, local:1"
        #expect(
            ClusterCheckup.verdict(try page(["local:1", "local:0", "local:1"]), key.ring)
                == .fails("none of 3 WrappedSecrets \(what); configure one of these"))
        #expect(
            ClusterCheckup.verdict(try page(["local:1", "local:0"], more: "t"), key.ring)
                == .untried("none of the first 2 WrappedSecrets \(what)"))
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
