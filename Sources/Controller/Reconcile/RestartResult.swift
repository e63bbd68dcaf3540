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
    var isNews: Bool { isComplete || !problems.isEmpty }
    var hasRestarted: Bool { !restarted.isEmpty }

    var reason: String { problems.first?.reason ?? "Restarted" }

    /// What is wrong is said first.
    var message: String {
        let done = restarted.isEmpty ? [] : ["restarted: \(restarted.joined(separator: ", "))"]
        return (problems.map(\.message) + done).joined(separator: "; ")
    }

    mutating func restarted(_ workload: Workload) {
        restarted.append("\(workload.kind) \(workload.name)")
    }

    mutating func isMissing(_ workload: Workload) {
        problems.append(("WorkloadMissing", "there is no \(workload.kind) \(workload.name)"))
    }

    mutating func isNotAllowed(_ workload: Workload, by object: String) {
        problems.append(
            (
                "RestartNotAllowed",
                "\(workload.kind) \(workload.name) does not allow it; annotate it "
                    + "\(Markers.allowRestart)=\(object)"
            ))
    }

    mutating func failed(_ workload: Workload, _ error: KubeError) {
        switch error.code {
        case .notFound: isMissing(workload)
        case _ where error.status?.denial != nil: add(.admissionDenied, "\(error)")
        case .forbidden where !error.isOfTerminatingNamespace:
            add(
                .forbidden,
                "\(error); the controller's role has to allow it (manifests/rollout-restart-rbac.yaml)")
        case .forbidden, .conflict: isPostponed = true
        case _ where error.isWorthTelling: add(.apiServerError, Failure.message(lasting: error))
        default: isPostponed = true
        }
    }

    private mutating func add(_ reason: Reason, _ message: String) {
        problems.append((reason.rawValue, message))
    }
}
