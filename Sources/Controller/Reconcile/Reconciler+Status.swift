import Envelope
import KubeClient
import Logging
import Resources

/// What is said of an outcome: in the status, the log and events.
extension Reconciler {
    func finish(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ blueprint: Blueprint, _ object: WrappedSecret,
        _ update: StatusUpdate, _ key: OpenedEnvelopes.Key
    ) async throws(Failure) -> WrappedSecretStatus {
        ownWrites.wrote(secret: secret)
        if secret.resourceVersion != current?.resourceVersion, isAsBefore(object, update.previous) {
            contests.repaired(object.metadata.ref)
        }
        logger.info(
            "secret written",
            metadata: [
                "object": "\(object.metadata.ref)", "uid": "\(object.metadata.uid ?? "")",
                "secret": "\(secret.name)", "key_id": "\(key.id ?? "")",
            ])
        let made = WrappedSecretStatus.SecretState(
            name: secret.name, uid: secret.uid ?? "", resourceVersion: secret.resourceVersion ?? "",
            generation: object.metadata.generation ?? 0, mac: object.spec.envelope.mac,
            renderVersion: Plan.renderVersion)
        let status = try await write(
            update.synced(
                made, keyID: key.id, keyVersion: key.version,
                at: DataOwnership(of: blueprint).lastWrite(secret)),
            object.metadata, update.previous)
        events?.record(.written(secret, over: current, object, update.previous))
        return status
    }

    /// Says why, and decides when to try again.
    func fail(
        _ object: ObjectMeta, previous: WrappedSecretStatus?, _ reason: Reason, _ message: String
    ) async -> WorkQueue.Outcome {
        failed(reason)
        let update = StatusUpdate(object: object, previous: previous, now: now())
        if reason != .namespaceTerminating {
            let status = update.failed(reason, message: message)
            logger.log(
                // The same failure again is no news.
                level: status == previous ? .debug : .warning, "not synced",
                metadata: [
                    "object": "\(object.ref)", "reason": "\(reason.rawValue)", "message": "\(message)",
                ])
            do {
                try await write(status, object, previous)
                events?.record(EventNote(.warning, reason.rawValue, message, about: object))
            } catch .moot {
                return .done
            } catch {
                return .retry
            }
        }
        switch reason {
        case _ where reason.waitsForChange:
            stalled.insert(object)
            return .done
        case .secretConflict, .ownedByAnother, .secretMissing: return .again(after: foreignSecretInterval)
        default: return .retry
        }
    }

    /// Writes a status that says something new, and returns it. The uid is tested: a late write must not land on an object
    /// that was deleted and made again.
    @discardableResult
    func write(
        _ status: WrappedSecretStatus, _ object: ObjectMeta, _ previous: WrappedSecretStatus?
    ) async throws(Failure) -> WrappedSecretStatus {
        guard status != previous else { return status }
        do {
            let patch = try StatusPatch.make(status, uid: object.uid ?? "")
            let written = try await client.patch(
                WrappedSecret.resource, object.ref, subresource: "status", .json(patch))
            ownWrites.wrote(status: status, on: written)
            return status
        } catch let error as KubeError where error.code == .notFound {
            throw .moot
        } catch let error as KubeError where error.code == .invalid || error.code == .conflict {
            // The uid is another one: the object was made again, and its own event is on the way.
            ownWrites.forget(object: object.ref)
            throw .again(error)
        } catch let error as KubeError {
            throw .again(error)
        } catch {
            throw .again(
                KubeError(
                    .malformedResponse, activity: "writing status of \(object.ref)", message: "\(error)"))
        }
    }
}
