import TestSupport

/// A server with some objects, their history, which is compacted, and a snapshot, to which it can be restored.
struct WatchedServer {
    struct Change {
        let version: Int
        let name: String
        let isDeletion: Bool
    }

    private(set) var version = 1000
    /// The versions of the objects by their names.
    private(set) var objects: [String: Int] = [:]
    /// A watch from before this version, or a continue token, has expired.
    private(set) var oldestVersion = 1000
    private var history: [Change] = []
    private var snapshot: (version: Int, objects: [String: Int])?
    private var hasRestored = false

    /// Changes or deletes one object. Versions have gaps, because other objects change too.
    mutating func write(_ random: inout SeededGenerator) {
        let name = "object-\(random.number(0..<6))"
        version += random.number(1..<4)
        let isDeletion = objects[name] != nil && random.chance(0.3)
        objects[name] = isDeletion ? nil : version
        history.append(Change(version: version, name: name, isDeletion: isDeletion))
    }

    /// Watches that are open get all changes nevertheless.
    mutating func compact() { oldestVersion = version }

    /// Remembers the state. Much changes afterwards in the rest of the cluster, so that no restored history reaches the versions
    /// from before its restore.
    mutating func takeSnapshot() {
        guard snapshot == nil, !hasRestored else { return }
        snapshot = (version, objects)
        version += 1_000_000
    }

    /// - Returns: False if there is no snapshot.
    mutating func restore() -> Bool {
        guard let saved = snapshot else { return false }
        (version, objects, oldestVersion, history) = (saved.version, saved.objects, saved.version, [])
        (snapshot, hasRestored) = (nil, true)
        return true
    }

    /// Returns the changes after `version` in their order.
    func changes(after version: Int) -> ArraySlice<Change> {
        var start = history.count
        while start > 0, history[start - 1].version > version { start -= 1 }
        return history[start...]
    }
}
