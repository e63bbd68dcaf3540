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
        guard !object.spec.workloads.isEmpty, let status, let mac = status.secret?.mac,
            mac != status.rolloutRestart?.mac,
            let annotation = try? Markers.restarted(by: object.metadata.name)
        else { return .done }
        var result = RestartResult()
        do throws(Failure) {
            // With an older cache than somebody else's, it would be restarted for values that are no more.
            try await confirmNewest(object.metadata)
            for workload in object.spec.workloads {
                do throws(KubeError) {
                    try await restart(workload, [annotation: mac], object.metadata, &result)
                } catch {
                    result.failed(workload, error)
                }
            }
            if result.isNews { try await say(result, object, status) }
        } catch {
            if case .moot = error { return .done }
            return .retry
        }
        return result.isComplete ? .done : .retry
    }

    private func restart(
        _ workload: WrappedSecretSpec.Workload, _ annotations: [String: String], _ object: ObjectMeta,
        _ result: inout RestartResult
    ) async throws(KubeError) {
        guard let resource = workload.resource else { return }
        let ref = ObjectRef(namespace: object.ref.namespace, name: workload.name)
        let current = try await client.getMetadata(resource, ref)
        guard Markers.allowsRestart(current, by: object.name) else {
            return result.isNotAllowed(workload, by: object.name)
        }
        _ = try await client.patch(resource, ref, .merge(body: RestartPatch(current, annotations).body()))
        result.restarted(workload)
    }

    private func say(
        _ result: RestartResult, _ object: WrappedSecret, _ status: WrappedSecretStatus
    ) async throws(Failure) {
        let next = update(object, status).restarted(result)
        guard next != status else { return }
        logger.log(
            level: result.isComplete ? .info : .warning, "rollout restart",
            metadata: ["object": "\(object.metadata.ref)", "message": "\(result.message)"])
        try await write(next, object.metadata, status)
        events?.record(
            EventNote(
                result.isComplete ? .normal : .warning, result.reason, result.message, about: object.metadata)
        )
    }
}
