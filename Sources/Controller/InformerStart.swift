import KubeClient

/// Decides when the lists of WrappedSecrets and Secrets, which two watches read, are complete, so that decisions are possible.
/// It knows which objects go first then. A pure state machine.
struct InformerStart {
    enum Phase: Equatable {
        /// The other list is not complete.
        case waiting
        /// Both lists are complete now, for the first time: all objects are queued.
        case starting
        /// This is a later list: its changes are queued.
        case started
    }

    private(set) var hasStarted = false
    private var hasObjects = false
    private var hasSecrets = false
    private var unsynced: Set<ObjectRef> = []

    /// Records a list of WrappedSecrets, after the indexes were made from it.
    ///
    /// - Parameter unsynced: The objects that were never synced, or have changed while no controller was running.
    mutating func objectsListed(unsynced: Set<ObjectRef>) -> Phase {
        hasObjects = true
        if !hasStarted { self.unsynced = unsynced }
        return advance()
    }

    /// Records a list of Secrets, after the indexes were made from it.
    mutating func secretsListed() -> Phase {
        hasSecrets = true
        return advance()
    }

    /// Records an event between the lists.
    mutating func changed(_ ref: ObjectRef, isUnsynced: Bool) {
        guard !hasStarted else { return }
        if isUnsynced { unsynced.insert(ref) } else { unsynced.remove(ref) }
    }

    /// Returns the objects that go first, and forgets them.
    mutating func takeUnsynced() -> Set<ObjectRef> {
        defer { unsynced = [] }
        return unsynced
    }

    private mutating func advance() -> Phase {
        guard !hasStarted else { return .started }
        hasStarted = hasObjects && hasSecrets
        return hasStarted ? .starting : .waiting
    }
}
