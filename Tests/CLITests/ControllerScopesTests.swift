import Foundation
import JSON
import KubeClient
import Resources
import Testing

@testable import CLI

/// What the Leases of controllers say of a namespace.
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
                return try JSONReader.read(ControllerLease.self, from: Array(text.utf8))
            }, now: try Date("2026-01-01T00:00:30Z", strategy: .iso8601))
    }

    private let all = PublishedWatchScope(namespaces: [], labelSelector: nil)
    private let two = PublishedWatchScope(namespaces: ["a", "b"], labelSelector: nil)
    private let selected = PublishedWatchScope(namespaces: ["b"], labelSelector: "team in (x, y)")

    @Test func aScopeThatCoversTheNamespaceIsEnough() throws {
        #expect(try scopes((all, "pod")).verdict("x") == .passed)
        #expect(try scopes((two, "pod"), (selected, "pod")).verdict("b") == .passed)
        #expect(
            try scopes((selected, "pod")).verdict("b")
                == .skipped("for WrappedSecrets with the labels team in (x, y) alone"))
    }

    @Test func aNamespaceOutsideOfEveryScopeIsNotWatched() throws {
        guard case .failed(let why) = try scopes((two, "pod")).verdict("ab") else {
            Issue.record("ab is in no scope")
            return
        }
        #expect(why.hasPrefix("no controller watches namespace ab (sb/lease watches a, b); add it"), "\(why)")
    }

    /// A controller that was killed leaves its name.
    @Test func aLeaseThatIsNotRenewedShowsNothing() throws {
        for renewed in [nil, "2025-12-31T23:58:00.000000Z", "yesterday"] {
            #expect(try scopes((all, "pod"), renewed: renewed).verdict("x") == nil)
        }
        #expect(try scopes((all, "pod")).verdict(nil) == .passed)
        #expect(try scopes((two, "pod")).verdict(nil) == nil)
    }

    @Test func leasesWithoutAScopeOrAHolderShowNothing() throws {
        #expect(try scopes().verdict("a") == nil)
        #expect(try scopes((nil, "pod"), (two, "")).verdict("x") == nil)
    }
}
