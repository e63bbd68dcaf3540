import KubeClient
import Primitives
import Resources

/// An event as the API server takes it.
enum EventObject {
    static let resource = Resource(group: "", version: "v1", kind: "Event", plural: "events")
    private static let component = "secrets-bridge"

    /// Unlike any other, and recognisable.
    static func name(for object: ObjectRef, tag: UInt64) -> String {
        "\(object.name.prefix(230)).\(String(tag, radix: 16))"
    }

    static func manifest<Instant>(
        _ post: EventMachine<Instant>.Post, _ ref: ObjectRef, identity: String
    ) -> SharedSecret {
        var json = JSONSecretWriter()
        json.beginObject()
        for (key, value) in [
            ("apiVersion", resource.apiVersion), ("kind", resource.kind), ("type", post.note.kind.rawValue),
            ("reason", post.note.reason), ("message", post.note.message), ("firstTimestamp", post.first),
            ("lastTimestamp", post.last), ("reportingComponent", component), ("reportingInstance", identity),
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
                "namespace": post.note.subject.ref.namespace, "name": post.note.subject.ref.name,
                "uid": post.note.subject.uid,
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
