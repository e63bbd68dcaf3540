import Envelope
import KubeClient
import Resources

extension EventRecord {
    /// That a Secret was written; nil when the write changed nothing.
    ///
    /// - Parameters:
    ///   - current: what was there, as far as was known; nil when there was none.
    ///   - status: what was said of the object before.
    static func secretWritten(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ object: WrappedSecret,
        _ status: WrappedSecretStatus?
    ) -> EventRecord? {
        guard secret.resourceVersion != current?.resourceVersion else { return nil }
        let made = status?.secret
        let wasMade =
            made?.generation == object.metadata.generation && made?.mac == object.spec.envelope.mac
            && made?.name == secret.name && made?.renderVersion == SyncPlan.renderVersion
        switch (wasMade, current) {
        case (true, nil):
            return EventRecord(
                .normal, "Repaired", "Secret \(secret.name) was gone and is made again",
                about: object.metadata)
        case (true, _):
            return EventRecord(
                .normal, "Repaired",
                "Secret \(secret.name) was changed by somebody else and is as it should be again",
                about: object.metadata)
        case (false, nil):
            return EventRecord(.normal, "Created", "Secret \(secret.name) is made", about: object.metadata)
        case (false, _):
            return EventRecord(
                .normal, "Updated", "Secret \(secret.name) is up to date", about: object.metadata)
        }
    }
}
