import Envelope
import Foundation
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

struct DiagnosticsTests {
    @Test func aKeyThatMayDoAllIsWell() async throws {
        let findings = await KeyDiagnostics(try FakeKeyManager(), namespace: "payments").findings()
        #expect(findings.count == 4)
        #expect(findings.allSatisfy { $0.verdict == .passed })
        #expect(findings.isUsable)
    }

    @Test func aKeyThatIsAwayMayDoNothing() async throws {
        let key = try FakeKeyManager()
        key.fail(.unavailable)
        let findings = await KeyDiagnostics(key, namespace: "payments").findings()
        #expect(findings.count == 1)
        #expect(!findings.isUsable)
        #expect(findings[0].line.plain.contains("NO   make a data key (wrap): scripted"))
    }

    @Test func aFailureThatComesAgainIsNotRepeated() {
        var told: Set<String> = []
        let findings = [
            KeyDiagnostics.Finding("wrap", .failed("no credentials")),
            .init("unwrap", .failed("no credentials")),
            .init("re-wrap", .failed("denied")), .init("list", .passed),
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
        -> ControllerEvidence
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
        return ControllerEvidence(page.items, now: try Date("2026-01-01T00:01:00Z", strategy: .iso8601))
    }

    @Test func anObjectThatNoControllerHasSeenIsEvidence() throws {
        let old = "2026-01-01T00:00:00Z"
        #expect(try evidence([("x", 1, old), ("y", 2, old)]).verdict == .passed)
        guard case .skipped = try evidence([]).verdict else {
            Issue.record("an empty namespace shows nothing")
            return
        }
        for unseen in [-1, nil] as [Int64?] {
            guard case .failed(let why) = try evidence([("x", 1, old), ("y", unseen, old)]).verdict else {
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
        #expect(evidence.isStale)
        guard case .skipped(let why) = evidence.verdict else {
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
        #expect(ClusterDiagnostics.keyVerdict(try page([]), key.keyRing) == nil)
        #expect(ClusterDiagnostics.keyVerdict(try page(["local:0", key.keyID]), key.keyRing) == .passed)
        let what = "lists a configured key; they list local:0, local:1"
        #expect(
            ClusterDiagnostics.keyVerdict(try page(["local:1", "local:0", "local:1"]), key.keyRing)
                == .failed("none of 3 WrappedSecrets \(what); configure one of these"))
        #expect(
            ClusterDiagnostics.keyVerdict(try page(["local:1", "local:0"], more: "t"), key.keyRing)
                == .skipped("none of the first 2 WrappedSecrets \(what)"))
    }

    @Test func clocksAreComparedByTheMinute() {
        #expect(ClusterDiagnostics.clockVerdict(seconds: 59) == .passed)
        #expect(
            ClusterDiagnostics.clockVerdict(seconds: -90)
                == .failed("it is 90 s behind the API server's; set up NTP"))
        #expect(
            ClusterDiagnostics.clockVerdict(seconds: 3600)
                == .failed("it is 3600 s ahead of the API server's; set up NTP"))
    }
}
