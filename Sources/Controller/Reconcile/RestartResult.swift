import KubeClient
import Resources

/// What came of restarting the workloads of one object, for its status.
struct RestartResult: Sendable {
    typealias Workload = WrappedSecretSpec.Workload

    private var restarted: [String] = []
    /// Why some were not: the reason of the condition, and a message.
    private var problems: [(reason: String, message: String)] = []
    /// Some could not be looked at just now, which says nothing of them.
    private var isPostponed = false

    var isComplete: Bool { problems.isEmpty && !isPostponed }
    /// Whether there is something to say.
    var isReportable: Bool { isComplete || !problems.isEmpty }
    var hasRestarted: Bool { !restarted.isEmpty }

    var reason: String { problems.first?.reason ?? "Restarted" }

    /// What is wrong is said first.
    var message: String {
        let done = restarted.isEmpty ? [] : ["restarted: \(restarted.joined(separator: ", "))"]
        return (problems.map(\.message) + done).joined(separator: "; ")
    }

    mutating func recordRestart(_ workload: Workload) {
        restarted.append("\(workload.kind) \(workload.name)")
    }

    mutating func recordMissing(_ workload: Workload) {
        problems.append(("WorkloadMissing", "there is no \(workload.kind) \(workload.name)"))
    }

    mutating func recordNotAllowed(_ workload: Workload, by object: String) {
        problems.append(
            (
                "RestartNotAllowed",
                "\(workload.kind) \(workload.name) does not allow it; annotate it "
                    + "\(OwnershipMetadata.allowRestartAnnotation)=\(object)"
            ))
    }

    mutating func recordFailure(_ workload: Workload, _ error: KubeError) {
        switch error.code {
        case .notFound: recordMissing(workload)
        case _ where error.status?.admissionDenial != nil: add(.admissionDenied, "\(error)")
        case .forbidden where !error.isNamespaceTerminating:
            add(
                .forbidden,
                "\(error); the controller's role has to allow it (manifests/rollout-restart-rbac.yaml)")
        case .forbidden, .conflict: isPostponed = true
        case _ where error.isObjectSpecific:
            add(.apiServerError, ReconcileFailure.persistentMessage(lasting: error))
        default: isPostponed = true
        }
    }

    private mutating func add(_ reason: Reason, _ message: String) {
        problems.append((reason.rawValue, message))
    }
}
