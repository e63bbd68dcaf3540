import KubeClient
import Logging
import Resources

/// Restarts of the workloads that run with a Secret. Owed for as long as the values of the last restart are others
/// than the Secret's, and made by writing the MAC of the values into the pod template: to write it twice restarts once.
extension Reconciler {
    /// `Ready` does not depend on it.
    func restartWorkloads(
        of object: WrappedSecret, _ status: WrappedSecretStatus?
    ) async -> WorkQueue.Outcome {
        guard !object.spec.workloadsToRestart.isEmpty, let status, let mac = status.secret?.mac,
            mac != status.rolloutRestart?.mac,
            let annotation = try? OwnershipMetadata.restartAnnotation(by: object.metadata.name)
        else { return .done }
        var result = RestartResult()
        do throws(ReconcileFailure) {
            // With an older cache than somebody else's, it would be restarted for values that are no more.
            try await verifyCacheIsCurrent(object.metadata)
            for workload in object.spec.workloadsToRestart {
                do throws(KubeError) {
                    try await restart(workload, [annotation: mac], object.metadata, &result)
                } catch {
                    result.recordFailure(workload, error)
                }
            }
            if result.isReportable { try await say(result, object, status) }
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

    private func say(
        _ result: RestartResult, _ object: WrappedSecret, _ status: WrappedSecretStatus
    ) async throws(ReconcileFailure) {
        let next = statusUpdate(object, status).restarted(result)
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
