import Cryptography
import KubeClient
import Resources

/// An event as the API server takes it.
enum EventManifest {
    static let resource = Resource(group: "", version: "v1", kind: "Event", plural: "events")
    private static let component = "secrets-bridge"

    /// Unlike any other, and recognisable.
    static func name(for object: ObjectRef, tag: UInt64) -> String {
        "\(object.name.prefix(230)).\(String(tag, radix: 16))"
    }

    static func body<Instant>(
        _ post: EventCorrelator<Instant>.Post, _ ref: ObjectRef, identity: String
    ) -> SharedSecret {
        var json = JSONSecretWriter()
        json.beginObject()
        for (key, value) in [
            ("apiVersion", resource.apiVersion), ("kind", resource.kind), ("type", post.record.type.rawValue),
            ("reason", post.record.reason), ("message", post.record.message),
            ("firstTimestamp", post.firstTimestamp),
            ("lastTimestamp", post.lastTimestamp), ("reportingComponent", component),
            ("reportingInstance", identity),
        ] {
            json.key(key)
            json.string(value)
        }
        json.key("count")
        json.number(Int64(post.count))
        json.key("metadata")
        write(["name": ref.name, "namespace": ref.namespace], to: &json)
        json.key("source")
        write(["component": component], to: &json)
        json.key("involvedObject")
        write(
            [
                "apiVersion": WrappedSecret.resource.apiVersion, "kind": WrappedSecret.resource.kind,
                "namespace": post.record.involvedObject.ref.namespace,
                "name": post.record.involvedObject.ref.name,
                "uid": post.record.involvedObject.uid,
            ], to: &json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    private static func write(_ pairs: KeyValuePairs<String, String>, to json: inout JSONSecretWriter) {
        json.beginObject()
        for (key, value) in pairs {
            json.key(key)
            json.string(value)
        }
        json.endObject()
    }
}
