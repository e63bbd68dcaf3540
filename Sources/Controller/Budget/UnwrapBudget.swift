import Envelope
import KubeClient
import Primitives

/// Each namespace's share of the KMS; see `UnwrapBudgetMachine`. Safe to use from any thread.
final class UnwrapBudget: Sendable {
    /// nil: no limit.
    private let machine: Locked<UnwrapBudgetMachine?>
    private let throttled: @Sendable () -> Void

    /// - Parameter throttled: is told of every unwrap that has to wait, once.
    init(_ limit: UnwrapLimit?, throttled: @escaping @Sendable () -> Void = {}) {
        machine = Locked(limit.map { UnwrapBudgetMachine($0) })
        self.throttled = throttled
    }

    /// nil: `ref` may ask the KMS for its data key, and is expected to.
    func take(_ ref: ObjectRef) -> UnwrapBudgetMachine.Wait? {
        let wait = machine.withLock { $0?.take(ref, now: .now) }
        if wait?.isNew == true { throttled() }
        return wait
    }

    /// What was taken for `ref` was not spent.
    func giveBack(_ ref: ObjectRef) {
        machine.withLock { $0?.giveBack(ref.namespace) }
    }

    /// `ref` does not wait any more.
    func forget(_ ref: ObjectRef) {
        machine.withLock { $0?.forget(ref) }
    }

    /// How many unwraps a namespace may still ask for at once.
    func available(_ namespace: String) -> Int {
        machine.withLock { $0?.available(namespace, now: .now) } ?? .max
    }
}

extension EnvelopeError {
    /// Whether the KMS was not asked, or did not serve.
    var spentNoUnwrap: Bool {
        switch self {
        case .invalid, .unsupportedFormat, .noUsableRecipient: true
        case .keyManager(let error): error.code == .unavailable || error.code == .cancelled
        case .integrityFailed, .decryptFailed, .crypto: false
        }
    }
}
