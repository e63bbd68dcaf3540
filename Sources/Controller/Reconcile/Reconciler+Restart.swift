import FoundationEssentials
import KubeClient
import Logging
import Resources

/// Restarts of the workloads that run with a Secret. Owed for as long as the values of the last restart are others
/// than the Secret's, and made by writing the MAC of the values into the pod template: to write it twice restarts once.
extension Reconciler {
    func restartWorkloads(
        of object: WrappedSecret, _ status: WrappedSecretStatus?
    ) async throws(Failure) -> WorkQueue.Outcome {
        guard !object.spec.workloads.isEmpty, let status, let mac = status.secret?.mac,
            mac != status.rolloutRestart?.mac
        else { return .done }
        var result = RestartResult()
        for workload in object.spec.workloads {
            do throws(Failure) {
                try await restart(workload, for: mac, object, &result)
            } catch .reason(let reason, let message) {
                result.failed(reason, message)
            }
        }
        let next = update(object, status).restarted(result)
        if next != status {
            logger.log(
                level: result.isComplete ? .info : .warning, "rollout restart",
                metadata: ["object": "\(object.metadata.ref)", "message": "\(result.message)"])
            try await write(next, object.metadata, status)
            events?.record(
                EventNote(
                    result.isComplete ? .normal : .warning, result.reason, result.message,
                    about: object.metadata))
        }
        return result.isComplete ? .done : .retry
    }

    private func restart(
        _ workload: WrappedSecretSpec.Workload, for mac: String, _ object: WrappedSecret,
        _ result: inout RestartResult
    ) async throws(Failure) {
        guard let resource = workload.resource else { return }
        let ref = ObjectRef(namespace: object.metadata.ref.namespace, name: workload.name)
        do {
            let current = try await client.getMetadata(resource, ref)
            guard Markers.allowsRestart(current, by: object.metadata.name) else {
                return result.isNotAllowed(workload, by: object.metadata.name)
            }
            let patch = RestartPatch(current, [try Markers.restarted(by: object.metadata.name): mac])
            _ = try await client.patch(resource, ref, .merge(body: Array(try JSONEncoder().encode(patch))))
            result.restarted(workload)
        } catch let error as KubeError where error.code == .notFound {
            result.isMissing(workload)
        } catch let error as KubeError where error.code == .forbidden {
            result.failed(
                .forbidden,
                "\(error); the controller's role has to allow it (manifests/rollout-restart-rbac.yaml)")
        } catch let error as KubeError {
            throw Failure(accessing: error)
        } catch {
            throw .again(KubeError(.badRequest, activity: "restarting \(workload.name)", message: "\(error)"))
        }
    }
}
