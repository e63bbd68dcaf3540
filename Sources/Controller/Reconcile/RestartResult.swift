import Resources

/// What came of restarting the workloads of one object, for its status.
struct RestartResult: Sendable {
    private var restarted: [String] = []
    /// Why some were not: the reason of the condition, and a message.
    private var problems: [(reason: String, message: String)] = []

    var isComplete: Bool { problems.isEmpty }

    var reason: String { problems.first?.reason ?? "Restarted" }

    /// What is wrong is said first.
    var message: String {
        let done = restarted.isEmpty ? [] : ["restarted: \(restarted.joined(separator: ", "))"]
        return (problems.map(\.message) + done).joined(separator: "; ")
    }

    mutating func restarted(_ workload: WrappedSecretSpec.Workload) {
        restarted.append("\(workload.kind) \(workload.name)")
    }

    mutating func isMissing(_ workload: WrappedSecretSpec.Workload) {
        problems.append(("WorkloadMissing", "there is no \(workload.kind) \(workload.name)"))
    }

    mutating func isNotAllowed(_ workload: WrappedSecretSpec.Workload, by object: String) {
        problems.append(
            (
                "RestartNotAllowed",
                "\(workload.kind) \(workload.name) does not allow it; annotate it "
                    + "\(Markers.allowRestart)=\(object)"
            ))
    }

    mutating func failed(_ reason: Reason, _ message: String) {
        problems.append((reason.rawValue, message))
    }
}
