package import KubeClient
import System

/// Whether this instance works or stands by, for whoever shows it. Safe to read from any thread.
package final class Leadership: Sendable {
    private let leads = Locked(false)

    package init() {}

    package internal(set) var isLeading: Bool {
        get { leads.withLock { $0 } }
        set { leads.withLock { $0 = newValue } }
    }
}

/// The lease was lost: another instance may work now, so this process is to end.
package struct LeaseLost: Error, Equatable, CustomStringConvertible {
    package let lease: ObjectRef
    /// Nil: it could not be renewed in time.
    package let holder: String?

    package var description: String {
        let why = holder.map { "\($0) holds it now" } ?? "it could not be renewed in time"
        return "leader election: lost lease \(lease): \(why); a restart stands by for it again"
    }
}
