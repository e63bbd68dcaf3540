import System

/// The contents of a watch, reduced to what its reader keeps. Safe to read from any thread; one watcher
/// writes. Readers never see half a list: a new one is collected aside and put in place as a whole.
package final class Store<Value: Sendable>: Sendable {
    private struct State {
        var contents: [ObjectRef: Value] = [:]
        var incoming: [ObjectRef: Value]?
        var isComplete = false
    }

    /// What a new list changed.
    package struct Difference: Sendable {
        /// New, or of another version than before: what was there, if anything.
        package var changed: [ObjectRef: Value?] = [:]
        /// There before and not any more: deletions that no event told of.
        package var removed: [ObjectRef: Value] = [:]
    }

    private let state = Locked(State())
    private let version: @Sendable (Value) -> String?

    /// `version` tells one state of an object from another.
    package init(version: @escaping @Sendable (Value) -> String?) {
        self.version = version
    }

    package subscript(ref: ObjectRef) -> Value? {
        state.withLock { $0.contents[ref] }
    }

    package var count: Int { state.withLock { $0.contents.count } }

    package var refs: [ObjectRef] { state.withLock { Array($0.contents.keys) } }

    /// Shows values to `body`, a few hundred at a time, so that over any number of them others are held up for a
    /// moment only. What comes or goes meanwhile is shown or not.
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

    /// Whether a list has been completed once.
    package var hasSynced: Bool { state.withLock { $0.isComplete } }

    /// Starts collecting a new list; one that was not finished is dropped.
    package func beginList() {
        state.withLock { $0.incoming = [:] }
    }

    /// Puts the collected list in place.
    package func commitList() -> Difference {
        state.withLock { state in
            guard let incoming = state.incoming else { return Difference() }
            let before = state.contents
            state.contents = incoming
            state.incoming = nil
            state.isComplete = true
            var changed: [ObjectRef: Value?] = [:]
            for (ref, value) in incoming where before[ref].flatMap(version) != version(value) {
                changed[ref] = .some(before[ref])
            }
            return Difference(changed: changed, removed: before.filter { incoming[$0.key] == nil })
        }
    }

    /// What `apply` did.
    package enum ApplyResult: Sendable {
        /// Readers see it now, in place of what they saw before.
        case visible(before: Value?)
        /// A list is being collected: readers see it when that is complete.
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

    /// Returns what readers saw until now.
    package func remove(_ ref: ObjectRef) -> Value? {
        state.withLock { state in
            state.incoming?.removeValue(forKey: ref)
            return state.contents.removeValue(forKey: ref)
        }
    }
}
