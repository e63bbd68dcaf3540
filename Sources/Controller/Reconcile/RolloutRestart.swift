import FoundationEssentials
import KubeClient
import Logging
import Resources

/// Restarts the workloads that use a Secret. A restart is pending while the values of the last restart differ from
/// those of the Secret. It writes the version of the values into the pod template, so that writing it twice restarts once.
extension Reconciler {
    func restartWorkloads(
        of object: WrappedSecret, _ status: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        guard !object.spec.workloadsToRestart.isEmpty, let status,
            let version = status.secret?.dataVersion, version != status.rolloutRestart?.dataVersion,
            let annotation = try? OwnershipMetadata.restartAnnotation(by: object.metadata.name)
        else { return .done }
        var result = RestartResult()
        do throws(ReconcileFailure) {
            // A cache behind that of another replica would restart workloads for values that have been replaced.
            try await verifyCacheIsCurrent(object.metadata)
            for workload in object.spec.workloadsToRestart {
                do throws(KubeError) {
                    try await restart(workload, [annotation: version], object.metadata, &result)
                } catch {
                    result.recordFailure(workload, error)
                }
            }
            if result.isReportable { try await report(result, object, status) }
        } catch {
            if case .objectGone = error { return .done }
            return .requeueRateLimited
        }
        return result.isComplete ? .done : .requeueRateLimited
    }

    private func restart(
        _ workload: WrappedSecretSpec.Workload, _ annotations: [String: String], _ object: ObjectMeta,
        _ result: inout RestartResult
    ) async throws(KubeError) {
        guard let resource = workload.resource else { return }
        let ref = ObjectRef(namespace: object.ref.namespace, name: workload.name)
        let current = try await client.getMetadata(resource, ref)
        guard OwnershipMetadata.allowsRestart(current, by: object.name) else {
            return result.recordNotAllowed(workload, by: object.name)
        }
        _ = try await client.patch(resource, ref, .merge(body: RestartPatch(current, annotations).body()))
        result.recordRestart(workload)
    }

    private func report(
        _ result: RestartResult, _ object: WrappedSecret, _ status: WrappedSecretStatus
    ) async throws(ReconcileFailure) {
        let next = StatusUpdate(object, previous: status, now: now()).restarted(result)
        guard next != status else { return }
        logger.log(
            level: result.isComplete ? .info : .warning, "rollout restart",
            metadata: ["object": "\(object.metadata.ref)", "message": "\(result.message)"])
        try await writeStatus(next, object.metadata, status)
        events?.record(
            EventRecord(
                result.isComplete ? .normal : .warning, result.reason, result.message, about: object.metadata)
        )
    }
}

/// The result of restarting the workloads of one object, for its status.
struct RestartResult: Sendable {
    typealias Workload = WrappedSecretSpec.Workload

    private var restarted: [String] = []
    /// The reason of the condition, and a message, for each workload that was not restarted.
    private var problems: [(reason: String, message: String)] = []
    /// True if a workload could not be restarted for a reason that passes.
    private var isPostponed = false

    var isComplete: Bool { problems.isEmpty && !isPostponed }
    var isReportable: Bool { isComplete || !problems.isEmpty }
    var hasRestarted: Bool { !restarted.isEmpty }

    var reason: String { problems.first?.reason ?? "Restarted" }

    /// All problems, followed by what was restarted.
    var message: String {
        let done = restarted.isEmpty ? [] : ["restarted: \(restarted.joined(separator: ", "))"]
        return (problems.map(\.message) + done).joined(separator: "; ")
    }

    mutating func recordRestart(_ workload: Workload) {
        restarted.append("\(workload.kind) \(workload.name)")
    }

    mutating func recordMissing(_ workload: Workload) {
        problems.append(("WorkloadMissing", "\(workload.kind) \(workload.name) does not exist"))
    }

    mutating func recordNotAllowed(_ workload: Workload, by object: String) {
        problems.append(
            (
                "RestartNotAllowed",
                "\(workload.kind) \(workload.name) does not allow restarts; annotate it "
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
                "\(error); allow it in the controller's role (manifests/rollout-restart-rbac.yaml)")
        case .forbidden, .conflict: isPostponed = true
        case _ where error.isObjectSpecific: add(.apiServerError, ReconcileFailure.persistentMessage(error))
        default: isPostponed = true
        }
    }

    private mutating func add(_ reason: Reason, _ message: String) {
        problems.append((reason.rawValue, message))
    }
}

/// A merge patch (RFC 7386) that annotates the pods of a workload, if it has not changed since it was read.
private struct RestartPatch: Encodable {
    private struct Identity: Encodable {
        let uid: String?
        let resourceVersion: String?
    }

    private struct Spec: Encodable {
        struct Template: Encodable {
            struct Metadata: Encodable {
                let annotations: [String: String]
            }

            let metadata: Metadata
        }

        let template: Template
    }

    private let metadata: Identity
    private let spec: Spec

    init(_ current: ObjectMeta, _ annotations: [String: String]) {
        metadata = Identity(uid: current.uid, resourceVersion: current.resourceVersion)
        spec = Spec(template: .init(metadata: .init(annotations: annotations)))
    }

    func body() throws(KubeError) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(self))
        } catch {
            throw KubeError(
                .badRequest, activity: "restarting a workload", message: "the patch cannot be encoded")
        }
    }
}
