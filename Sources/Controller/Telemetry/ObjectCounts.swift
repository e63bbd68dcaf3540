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

    private let state = Locked(State())

    var ready: [ReadyState: Int] { state.withLock { $0.ready.counts } }
    var keys: [KeyVersion: Int] { state.withLock { $0.keys.counts } }

    /// Replaces what the cache had by what it has now.
    func update(_ before: Decoded<WrappedSecret>?, _ after: Decoded<WrappedSecret>?) {
        state.withLock { $0.replace(before, by: after) }
    }

    /// Counts all objects after a new list, whose objects may differ from earlier ones of the same version: an etcd that was
    /// restored from a backup assigns versions again.
    ///
    /// - Parameter forEach: passes each object of the list to the closure that it gets.
    func recount(_ forEach: ((Decoded<WrappedSecret>) -> Void) -> Void) {
        var counted = State()
        forEach { counted.replace(nil, by: $0) }
        state.withLock { [counted] in $0 = counted }
    }

    private static func readyState(of object: Decoded<WrappedSecret>) -> ReadyState {
        let ready = object.status?.condition(.ready)
        let status = ready?.status ?? ""
        let reason = ready?.reason ?? ""
        return ReadyState(
            ready: status == "True" || status == "False" ? status : "Unknown",
            reason: reason.isEmpty || Reason(rawValue: reason) != nil ? reason : "other")
    }

    private static func keyVersion(of object: Decoded<WrappedSecret>) -> KeyVersion? {
        guard let status = object.status, let id = status.keyID else { return nil }
        let version = status.keyVersion ?? ""
        let isPrintable = version.utf8.count <= 64 && version.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        return KeyVersion(id: id, version: isPrintable ? version : "other")
    }
}
