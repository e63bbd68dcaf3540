import Foundation
import Resources
import Testing

/// Tests that namespaces share a controller fairly.
@Suite(.onRealServers, .serialized)
struct FairnessTests {
    @Test func aThrottledNamespaceLosesNothingAndDelaysNoOther() async throws {
        let count = 300
        try await TestNamespace.withShared { loud in
            try await TestNamespace.with(loud.cluster) { quiet in
                try await loud.applyAll((0..<count).map { "db-\($0)" }) { "value of \($0)" }
                try await ControllerProgram.with(
                    loud, ["SB_WRAP_MASTER_KEY": loud.masterKey, "SB_ENV": "dev"],
                    [
                        "--watch-namespace", quiet.name, "--kms-namespace-burst", "50",
                        "--kms-namespace-rate", "8",
                    ]
                ) { controller in
                    let status = try controller.status()
                    try await eventually("the namespace is throttled") {
                        try await status.metric("secretsbridge_kms_throttled_total") ?? 0 > 0
                    }
                    for name in ["a", "b", "c"] { try await quiet.apply(name, ["k": "1"], with: loud.key) }
                    for name in ["a", "b", "c"] { try await quiet.reconciled(name) }
                    let synced = try await loud.syncedCount()
                    #expect(synced < count, "the remaining objects still wait")
                    // An object that changes while it waits is unwrapped once, in its last state.
                    try await loud.apply("db-\(count - 1)", ["k": "changed"])
                    try await eventually("all are synced") { try await loud.syncedCount() == count }
                    try await loud.secret("db-\(count - 1)", until: "is changed") {
                        $0.values == ["k": "changed"]
                    }
                    let lines = controller.log.split(separator: "\n")
                    let unwraps = lines.filter { $0.contains("audit: unwrap of a data key") }
                    #expect(unwraps.count >= count + 3)
                    #expect(unwraps.count <= count + 4)
                    let throttled = try #require(
                        try await status.metric("secretsbridge_kms_throttled_total"))
                    #expect(throttled <= Double(count - 50 + 1), "each waiting unwrap counts once")
                    let warnings = lines.filter { $0.contains("namespace has spent its unwraps") }
                    #expect(!warnings.isEmpty)
                    #expect(warnings.allSatisfy { $0.contains(loud.name) })
                }
            }
        }
    }
}
