import System

/// The cache of a watcher, which keeps a value of each object. Safe to read from any thread; one watcher writes. Readers
/// never see a partial list: a new list is collected in a buffer, which replaces the contents once it is complete.
package final class Store<Value: Sendable>: Sendable {
    private struct State {
        var contents: [ObjectRef: Value] = [:]
        var incoming: [ObjectRef: Value]?
        var hasSynced = false
    }

    /// The changes that a new list made.
    package struct Difference: Sendable {
        /// The objects that are new or have another version, with the previous value, if any.
        package var changed: [ObjectRef: Value?] = [:]
        /// The objects that the list no longer contains, although no event reported their deletion.
        package var removed: [ObjectRef: Value] = [:]
    }

    private let state = Locked(State())
    private let version: @Sendable (Value) -> String?

    /// - Parameter version: returns the version of a value. Values with the same version are equal.
    package init(version: @escaping @Sendable (Value) -> String?) {
        self.version = version
    }

    package subscript(ref: ObjectRef) -> Value? {
        state.withLock { $0.contents[ref] }
    }

    package var count: Int { state.withLock { $0.contents.count } }

    package var refs: [ObjectRef] { state.withLock { Array($0.contents.keys) } }

    /// Passes the values to `body`. The lock is released every few hundred values, so that other threads wait only
    /// briefly. Objects that are added or removed meanwhile may be missed.
    package func forEach(_ body: (Value) -> Void) {
        let refs = refs
        for start in stride(from: 0, to: refs.count, by: 256) {
            state.withLock { state in
                for ref in refs[start..<min(start + 256, refs.count)] {
                    if let value = state.contents[ref] { body(value) }
                }
            }
        }
    }

    /// True after the first complete list.
    package var hasSynced: Bool { state.withLock { $0.hasSynced } }

    /// Starts to collect a new list. Drops a previous one that was not completed.
    package func beginList() {
        state.withLock { $0.incoming = [:] }
    }

    /// Replaces the contents by the collected list.
    package func commitList() -> Difference {
        state.withLock { state in
            guard let incoming = state.incoming else { return Difference() }
            let before = state.contents
            state.contents = incoming
            state.incoming = nil
            state.hasSynced = true
            var changed: [ObjectRef: Value?] = [:]
            for (ref, value) in incoming where before[ref].flatMap(version) != version(value) {
                changed[ref] = .some(before[ref])
            }
            return Difference(changed: changed, removed: before.filter { incoming[$0.key] == nil })
        }
    }

    /// Forgets everything, as before the first list. The watcher that wrote must have ended.
    package func reset() {
        state.withLock { $0 = State() }
    }

    package enum ApplyResult: Sendable {
        /// Readers see the value now, in place of the previous one.
        case visible(before: Value?)
        /// A list is being collected. Readers see the value once it is complete.
        case buffered
    }

    package func apply(_ ref: ObjectRef, _ value: Value) -> ApplyResult {
        state.withLock { state in
            guard state.incoming == nil else {
                state.incoming?[ref] = value
                return .buffered
            }
            return .visible(before: state.contents.updateValue(value, forKey: ref))
        }
    }

    /// Removes an object from the contents and from a list that is being collected.
    ///
    /// - Returns: the value that readers saw until now.
    package func remove(_ ref: ObjectRef) -> Value? {
        state.withLock { state in
            state.incoming?.removeValue(forKey: ref)
            return state.contents.removeValue(forKey: ref)
        }
    }
}
