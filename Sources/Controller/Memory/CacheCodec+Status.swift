import KubeClient
import Resources

/// The status of WrappedSecrets.
extension CacheCodec {
    static func write(
        _ status: WrappedSecretStatus?, to writer: inout PackedWriter, _ pools: inout CachePools
    ) {
        writer.flag(status != nil)
        guard let status else { return }
        writer.integer(status.observedGeneration)
        writer.sharedText(status.keyID, &pools.texts)
        writer.sharedText(status.keyVersion, &pools.texts)
        writer.flag(status.secret != nil)
        if let secret = status.secret {
            writer.text(secret.name)
            writer.text(secret.uid)
            writer.text(secret.resourceVersion)
            writer.integer(secret.generation)
            writer.text(secret.mac)
            writer.text(secret.templateHash)
            writer.integer(secret.renderVersion.map(Int64.init))
        }
        writer.list(status.conditions) { condition, writer in
            writer.sharedText(condition.type, &pools.texts)
            writer.sharedText(condition.status, &pools.texts)
            writer.integer(condition.observedGeneration)
            writer.text(condition.lastTransitionTime)
            writer.sharedText(condition.reason, &pools.texts)
            let isSynced = condition.message.utf8.elementsEqual(
                StatusUpdate.syncedMessage(status.secret).utf8)
            // It is the message of nearly all objects, and is not stored.
            writer.flag(isSynced)
            if !isSynced { writer.text(condition.message) }
        }
        writer.flag(status.rolloutRestart != nil)
        if let restart = status.rolloutRestart {
            writer.text(restart.mac)
            writer.text(restart.templateHash)
            writer.text(restart.time)
        }
        writer.text(status.lastSyncTime)
        writer.text(status.lastVerifiedTime)
        writer.text(status.lastHandledSync)
    }

    static func status(_ reader: inout PackedReader) -> WrappedSecretStatus? {
        guard reader.flag() == true else { return nil }
        var status = WrappedSecretStatus()
        status.observedGeneration = reader.integer()
        status.keyID = reader.text()
        status.keyVersion = reader.text()
        if reader.flag() == true {
            var secret = WrappedSecretStatus.SecretState(
                name: "", uid: "", resourceVersion: "", generation: 0, mac: "", renderVersion: 0)
            secret.name = reader.text()
            secret.uid = reader.text()
            secret.resourceVersion = reader.text()
            secret.generation = reader.integer()
            secret.mac = reader.text()
            secret.templateHash = reader.text()
            secret.renderVersion = reader.integer().flatMap(Int.init(exactly:))
            status.secret = secret
        }
        status.conditions = reader.list { reader in
            var condition = Condition(
                .ready, true, observedGeneration: nil, lastTransitionTime: "", reason: "", message: "")
            condition.type = reader.text() ?? ""
            condition.status = reader.text() ?? ""
            condition.observedGeneration = reader.integer()
            condition.lastTransitionTime = reader.text() ?? ""
            condition.reason = reader.text() ?? ""
            condition.message =
                reader.flag() == true ? StatusUpdate.syncedMessage(status.secret) : reader.text() ?? ""
            return condition
        }
        if reader.flag() == true {
            status.rolloutRestart = .init(
                mac: reader.text(), templateHash: reader.text(), time: "")
            status.rolloutRestart?.time = reader.text()
        }
        status.lastSyncTime = reader.text()
        status.lastVerifiedTime = reader.text()
        status.lastHandledSync = reader.text()
        return status
    }
}
