/// Decides when the objects are looked at first: once the lists of WrappedSecrets and Secrets, which two watches read, are
/// complete, so that decisions are possible, and this replica leads. A pure state machine.
struct InformerStart {
    enum Phase: Equatable {
        /// A list is missing.
        case waiting
        /// Both lists are complete now, for the first time, and another replica leads.
        case complete
        /// Nothing is missing now, for the first time: each object that is not in sync is queued.
        ///
        /// - Parameter isTakeover: True if the lists were complete before this replica led.
        case starting(isTakeover: Bool)
        /// The start was earlier: what changes is queued.
        case started
    }

    enum Input {
        /// The list of WrappedSecrets is complete.
        case objectsListed
        case secretsListed
        /// The workers of this replica run.
        case leading
    }

    private(set) var hasStarted = false
    private var isComplete = false
    private var missing: Set<Input> = [.objectsListed, .secretsListed, .leading]

    /// - Returns: `waiting` too for a later list of a replica that does not lead.
    mutating func advance(_ input: Input) -> Phase {
        missing.remove(input)
        if hasStarted { return .started }
        if missing.isEmpty {
            hasStarted = true
            return .starting(isTakeover: isComplete)
        }
        guard missing == [.leading], !isComplete else { return .waiting }
        isComplete = true
        return .complete
    }
}
