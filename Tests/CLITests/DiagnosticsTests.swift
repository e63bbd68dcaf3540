import Envelope
import Foundation
import JSON
import KubeClient
import Resources
import TestSupport
import Testing

@testable import CLI

struct DiagnosticsTests {
    @Test func passesAllChecksOfAKeyWithAllPermissions() async throws {
        let findings = await KeyDiagnostics(try FakeKeyManager(), namespace: "payments").findings()
        #expect(findings.count == 4)
        #expect(findings.allSatisfy { $0.verdict == .passed })
        #expect(findings.isUsable)
    }

    @Test func stopsAfterTheFirstCheckOfAnUnavailableKMS() async throws {
        let key = try FakeKeyManager()
        key.fail(.unavailable)
        let findings = await KeyDiagnostics(key, namespace: "payments").findings()
        #expect(findings.count == 1)
        #expect(!findings.isUsable)
        #expect(findings[0].line.plain.contains("NO   generate a data key (wrap): scripted"))
    }

    @Test func doesNotRepeatAFailureThatWasReported() {
        var reported: Set<String> = []
        let findings = [
            Finding("wrap", .failed("no credentials")),
            .init("unwrap", .failed("no credentials")),
            .init("rewrap", .failed("denied")), .init("list", .passed),
        ]
        #expect(
            findings.lines(reported: &reported).map(\.plain) == [
                "  NO   wrap: no credentials", "  NO   unwrap: as above", "  NO   rewrap: denied",
                "  yes  list",
            ])
        // A failure of the next key is not repeated either.
        #expect(
            findings[0...0].map(\.self).lines(reported: &reported).map(\.plain) == ["  NO   wrap: as above"])
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

    @Test func failsIfNoControllerHasObservedAnOldObject() throws {
        let old = "2026-01-01T00:00:00Z"
        #expect(try evidence([("x", 1, old), ("y", 2, old)]).verdict == .passed)
        guard case .skipped = try evidence([]).verdict else {
            Issue.record("an empty namespace is no evidence")
            return
        }
        for unseen in [-1, nil] as [Int64?] {
            guard case .failed(let reason) = try evidence([("x", 1, old), ("y", unseen, old)]).verdict else {
                Issue.record("no controller has observed y")
                return
            }
            #expect(reason.hasPrefix("WrappedSecret a/y was created 60 s ago"), "\(reason)")
        }
        let new = try evidence([("x", -1, "2026-01-01T00:00:55Z")])
        #expect(new.isPending)
        #expect(try !evidence([("x", 1, old)]).isPending)
    }

    /// A status outlives the controller that wrote it.
    @Test func skipsTheCheckIfTheLatestStatusIsOld() throws {
        let old = "2025-01-01T00:00:00Z"
        let evidence = try evidence([("x", 1, old), ("y", 2, "2025-02-01T00:00:00Z")])
        #expect(evidence.isStale)
        guard case .skipped(let reason) = evidence.verdict else {
            Issue.record("an old status is no evidence")
            return
        }
        #expect(
            reason.hasPrefix("the latest status is from 2025-02-01T00:00:00Z, of WrappedSecret a/y"),
            "\(reason)")
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

    @Test func failsIfNoWrappedSecretListsAConfiguredKey() throws {
        let key = try FakeKeyManager()
        #expect(ClusterDiagnostics.keyVerdict(try page([]), key.keyRing) == nil)
        #expect(ClusterDiagnostics.keyVerdict(try page(["local:0", key.keyID]), key.keyRing) == .passed)
        let what = "is for a configured key; their recipients are local:0, local:1"
        #expect(
            ClusterDiagnostics.keyVerdict(try page(["local:1", "local:0", "local:1"]), key.keyRing)
                == .failed("none of 3 WrappedSecrets \(what); configure one of these"))
        #expect(
            ClusterDiagnostics.keyVerdict(try page(["local:1", "local:0"], more: "t"), key.keyRing)
                == .skipped("none of the first 2 WrappedSecrets \(what)"))
    }

    @Test func failsIfTheClocksDifferByMoreThanAMinute() {
        #expect(ClusterDiagnostics.clockVerdict(seconds: 59) == .passed)
        #expect(
            ClusterDiagnostics.clockVerdict(seconds: -90)
                == .failed("it is 90 s behind the API server's; set up NTP"))
        #expect(
            ClusterDiagnostics.clockVerdict(seconds: 3600)
                == .failed("it is 3600 s ahead of the API server's; set up NTP"))
    }
}

/// Reads from the Leases of controllers if one of them watches a namespace.
struct ControllerScopesTests {
    private func scopes(
        _ leases: (scope: PublishedWatchScope?, holder: String)...,
        renewed: String? = "2026-01-01T00:00:00.123456Z"
    ) throws -> ControllerScopes {
        func pairs(_ pairs: [String: String]) -> String {
            pairs.map { "\"\($0.key)\": \"\($0.value)\"" }.joined(separator: ", ")
        }
        return ControllerScopes(
            try leases.map { lease in
                let text = """
                    {"metadata": {"namespace": "sb", "name": "lease", "labels": {\(pairs(lease.scope?.labels ?? [:]))},
                     "annotations": {\(pairs(lease.scope?.annotations ?? [:]))}},
                     "spec": {"holderIdentity": "\(lease.holder)", "leaseDurationSeconds": 15
                     \(renewed.map { #", "renewTime": "\#($0)""# } ?? "")}}
                    """
                return try JSONReader.read(Lease.self, from: Array(text.utf8))
            }, now: try Date("2026-01-01T00:00:30Z", strategy: .iso8601))
    }

    private let all = PublishedWatchScope(namespaces: [], labelSelector: nil)
    private let two = PublishedWatchScope(namespaces: ["a", "b"], labelSelector: nil)
    private let selected = PublishedWatchScope(namespaces: ["b"], labelSelector: "team in (x, y)")

    @Test func passesIfAScopeCoversTheNamespace() throws {
        #expect(try scopes((all, "pod")).verdict("x") == .passed)
        #expect(try scopes((two, "pod"), (selected, "pod")).verdict("b") == .passed)
        #expect(
            try scopes((selected, "pod")).verdict("b")
                == .skipped("only WrappedSecrets with the labels team in (x, y) are watched"))
    }

    @Test func failsIfNoScopeCoversTheNamespace() throws {
        guard case .failed(let reason) = try scopes((two, "pod")).verdict("ab") else {
            Issue.record("ab is in no scope")
            return
        }
        #expect(
            reason.hasPrefix("no controller watches namespace ab (sb/lease watches a, b); add it"),
            "\(reason)")
    }

    @Test func aMessageDoesNotNameHundredsOfNamespaces() throws {
        let scope = PublishedWatchScope(namespaces: (1000..<1500).map { "ns-\($0)" }, labelSelector: nil)
        let many = try scopes(
            (scope, "pod"), (scope, "pod"), (scope, "pod"), (scope, "pod"), (scope, "pod"), (scope, "pod"))
        guard case .failed(let reason) = many.verdict("x") else {
            Issue.record("x is in no scope")
            return
        }
        #expect(reason.contains("ns-1007 and 492 more; and 2 more); add it"), "\(reason)")
        #expect(reason.utf8.count < 1_500)
    }

    /// A controller that is killed leaves its name in the Lease.
    @Test func ignoresALeaseThatIsNotRenewed() throws {
        for renewed in [nil, "2025-12-31T23:58:00.000000Z", "yesterday"] {
            #expect(try scopes((all, "pod"), renewed: renewed).verdict("x") == nil)
        }
        #expect(try scopes((all, "pod")).verdict(nil) == .passed)
        #expect(try scopes((two, "pod")).verdict(nil) == nil)
    }

    @Test func ignoresALeaseWithoutAScopeOrAHolder() throws {
        #expect(try scopes().verdict("a") == nil)
        #expect(try scopes((nil, "pod"), (two, "")).verdict("x") == nil)
    }
}
