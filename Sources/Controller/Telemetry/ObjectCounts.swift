import KubeClient
import Metrics
import Resources
import System

/// The number of WrappedSecrets in a cache by their condition Ready, and by the key that unwrapped them last. It is kept as
/// the cache changes, because to count 100,000 objects at each scrape would delay the watch and the probes. Safe to use from
/// any thread.
final class ObjectCounts: Sendable {
    struct ReadyState: Hashable {
        /// "True", "False" or "Unknown".
        var ready: String
        /// Empty for an object that was never reconciled; "other" for a reason that no controller writes.
        var reason: String
    }

    struct KeyVersion: Hashable {
        var id: String
        var version: String
    }

    private struct State {
        var ready = Tally<ReadyState>()
        var keys = Tally<KeyVersion>()

        mutating func replace(_ before: Decoded<WrappedSecret>?, by after: Decoded<WrappedSecret>?) {
            ready.replace(before.map(ObjectCounts.readyState), by: after.map(ObjectCounts.readyState))
            keys.replace(before.flatMap(ObjectCounts.keyVersion), by: after.flatMap(ObjectCounts.keyVersion))
        }
    }

    private let state = Locked(DerivedState(State()))

    var ready: [ReadyState: Int] { state.withLock { $0.visible.ready.counts } }
    var keys: [KeyVersion: Int] { state.withLock { $0.visible.keys.counts } }

    func beginList() { state.withLock { $0.beginList() } }
    func commitList() { state.withLock { $0.commitList() } }

    /// Replaces what the cache had by what it has now.
    func update(
        _ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?, in part: CachePart = .visible
    ) {
        state.withLock { state in state.change(part) { $0.replace(before, by: after) } }
    }

    private static let knownReasons = Set(Reason.allCases.map(\.rawValue))

    private static func readyState(of object: Decoded<WrappedSecret>) -> ReadyState {
        let ready = object.status?.condition(.ready)
        let status = ready?.status ?? ""
        let reason = ready?.reason ?? ""
        return ReadyState(
            ready: status == "True" || status == "False" ? status : "Unknown",
            reason: reason.isEmpty || knownReasons.contains(reason) ? reason : "other")
    }

    private static func keyVersion(of object: Decoded<WrappedSecret>) -> KeyVersion? {
        guard let status = object.status, let id = status.keyID else { return nil }
        let version = status.keyVersion ?? ""
        let isPrintable = version.utf8.count <= 64 && version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return KeyVersion(id: id, version: isPrintable ? version : "other")
    }
}
