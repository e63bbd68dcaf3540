import KubeClient
import Testing

@testable import Controller

/// What a WrappedSecret reports that would overwrite entries of another field manager.
struct MergeConflictTests {
    private let secret = ObjectMeta(name: "db", namespace: "payments")

    @Test func namesTheFieldsAndTheManagers() {
        let blocked = MergeConflict(secret, [".data.a", ".data.b"], ["helm", "kubectl"]).blocked
        #expect(
            blocked.message
                == "Secret db: .data.a, .data.b is managed by helm, kubectl; remove it from one of the two")
    }

    /// A Secret can have thousands of entries and managers, and a name can have 253 bytes.
    @Test func saysWhatToDoAlsoIfThereAreThousands() {
        let suffix = String(repeating: "x", count: 248)
        let blocked = MergeConflict(
            secret, Set((1000..<4000).map { ".data.\($0)\(suffix)" }),
            Set((1000..<4000).map { "m\($0)\(suffix)" })
        ).blocked
        #expect(blocked.message.hasSuffix(" and 2996 more; remove it from one of the two"))
        #expect(blocked.message.contains(" and 2992 more is managed by "))
        // The limit of a condition's message.
        #expect(blocked.message.utf8.count <= 2048)
    }
}
