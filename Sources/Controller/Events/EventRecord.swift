import Cryptography
import Envelope
import KubeClient
import Resources
import System

/// An event about an object. Its message never contains a value of a Secret.
struct EventRecord: Hashable, Sendable {
    enum EventType: String, Sendable {
        case normal = "Normal"
        case warning = "Warning"
    }

    struct InvolvedObject: Hashable, Sendable {
        let ref: ObjectRef
        let uid: String
    }

    let involvedObject: InvolvedObject
    let type: EventType
    /// In UpperCamelCase; a warning has the reason of the condition Ready.
    let reason: String
    let message: String

    /// In bytes; the API server accepts 1024.
    static var maximumMessageLength: Int { 1000 }

    init(_ type: EventType, _ reason: String, _ message: String, about object: ObjectMeta) {
        involvedObject = InvolvedObject(ref: object.ref, uid: object.uid ?? "")
        self.type = type
        self.reason = reason
        self.message = Self.truncated(message.escapingInvisibleCharacters)
    }

    /// The event for a provider that was deleted while WrappedSecrets of a namespace use it.
    ///
    /// - Parameter object: One of the WrappedSecrets. The provider itself is gone, and may have been in no namespace.
    static func providerDeleted(
        _ provider: ProviderRef, users: Int, about object: ObjectMeta
    ) -> EventRecord {
        EventRecord(
            .warning, "DeletedInUse",
            "\(provider) was deleted; \(users) WrappedSecrets of this namespace use it; their Secrets stay, and are not "
                + "updated until it is created again", about: object)
    }

    private static func truncated(_ message: String) -> String {
        guard message.utf8.count > maximumMessageLength else { return message }
        var text = message.unicodeScalars.prefix(maximumMessageLength)
        while text.reduce(0, { $0 + UTF8.width($1) }) > maximumMessageLength {
            text = text.dropLast(text.count / 20 + 1)
        }
        return String(text) + "…"
    }

    /// Returns the event for the write of a Secret, or nil if the write changed nothing.
    ///
    /// - Parameters:
    ///   - current: the Secret before the write as far as it was known, or nil if there was none.
    ///   - status: the status of the WrappedSecret before the write.
    static func secretWritten(
        _ secret: ObjectMeta, over current: ObjectMeta?, _ object: WrappedSecret,
        _ status: WrappedSecretStatus?
    ) -> EventRecord? {
        guard secret.resourceVersion != current?.resourceVersion else { return nil }
        let last = status?.secret
        let wasSynced =
            last?.generation == object.metadata.generation && last?.mac == object.spec.envelope.mac
            && last?.name == secret.name && last?.renderVersion == SyncPlan.renderVersion
        let (reason, message) =
            switch (wasSynced, current) {
            case (true, nil): ("Repaired", "Recreated the deleted Secret \(secret.name)")
            case (true, _): ("Repaired", "Reverted an external change to Secret \(secret.name)")
            case (false, nil): ("Created", "Created Secret \(secret.name)")
            case (false, _): ("Updated", "Updated Secret \(secret.name)")
            }
        return EventRecord(.normal, reason, message, about: object.metadata)
    }
}

/// The `v1` Event that the API server stores.
enum EventManifest {
    static let resource = Resource(group: "", version: "v1", kind: "Event", plural: "events")
    private static let component = "secrets-bridge"

    /// Returns a name that contains that of the object and is unique because of `tag`, a random number.
    static func name(for object: ObjectRef, tag: UInt64) -> String {
        "\(object.name.prefix(230)).\(String(tag, radix: 16))"
    }

    /// Returns the body of a request that creates the event `ref`.
    ///
    /// - Parameter identity: the reporting instance.
    static func body<Instant>(
        _ event: EventCorrelator<Instant>.PendingEvent, _ ref: ObjectRef, identity: String
    ) -> SharedSecret {
        let object = event.record.involvedObject
        var json = JSONSecretWriter()
        let members: KeyValuePairs = [
            "type": event.record.type.rawValue, "reason": event.record.reason,
            "message": event.record.message, "firstTimestamp": event.firstTimestamp,
            "lastTimestamp": event.lastTimestamp, "reportingComponent": component,
            "reportingInstance": identity,
        ]
        let involvedObject: KeyValuePairs = [
            "apiVersion": WrappedSecret.resource.apiVersion, "kind": WrappedSecret.resource.kind,
            "namespace": object.ref.namespace, "name": object.ref.name, "uid": object.uid,
        ]
        json.beginManifest(resource, ref)
        json.endObject()
        for (key, value) in members { json.member(key, value) }
        json.key("count")
        json.number(Int64(event.count))
        json.key("source")
        json.object(["component": component])
        json.key("involvedObject")
        json.object(involvedObject)
        json.endObject()
        return SharedSecret(json.finish())
    }
}
