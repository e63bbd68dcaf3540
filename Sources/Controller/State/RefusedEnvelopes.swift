import KubeClient
import Primitives

/// Objects whose envelope did not open. Mostly the object is at fault, and only its change helps. A KMS that answers
/// wrongly for a while looks the same, so these objects are tried again once it serves others, with growing pauses.
/// Safe to use from any thread.
final class RefusedEnvelopes: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct State {
        var refs: Set<ObjectRef> = []
        var pause = RefusedEnvelopes.firstPause
        var notBefore: Instant?
    }

    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(3600)

    private let state = Locked(State())

    func insert(_ ref: ObjectRef, now: Instant = .now) {
        state.withLock { state in
            state.refs.insert(ref)
            if state.notBefore == nil { state.notBefore = now + state.pause }
        }
    }

    /// Another envelope was opened. Returns the objects that are to be tried again now.
    func othersAreServed(now: Instant = .now) -> [ObjectRef] {
        state.withLock { state in
            guard let notBefore = state.notBefore, now >= notBefore, !state.refs.isEmpty else { return [] }
            state.pause = min(state.pause * 2, Self.longestPause)
            state.notBefore = now + state.pause
            return Array(state.refs)
        }
    }

    /// All of them: the KMS has recovered.
    var all: [ObjectRef] { state.withLock { Array($0.refs) } }

    /// `ref` was opened, or does not exist any more.
    func remove(_ ref: ObjectRef) {
        state.withLock { state in
            guard state.refs.remove(ref) != nil, state.refs.isEmpty else { return }
            state = State()
        }
    }
}
