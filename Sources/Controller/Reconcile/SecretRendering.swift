import Cryptography
import Envelope
import KubeClient
import Resources

/// Turns a blueprint and its opened values into what is sent to the API server. The bodies carry plaintext
/// and are built in secret memory.
enum SecretRendering {
    /// Body of the POST that creates the Secret.
    ///
    /// - Parameter name: another than its own, for a dry run beside the Secret that has that one.
    static func createBody(
        _ blueprint: DesiredSecret, of object: WrappedSecret, entries: [SecretEntry],
        adding labels: [String: String] = [:], name: String? = nil
    ) -> SharedSecret {
        var json = beginning(name ?? blueprint.name, blueprint.namespace)
        json.key("labels")
        write(MetadataChanges.labels(blueprint, adding: labels), to: &json)
        json.key("annotations")
        write(MetadataChanges.annotations(blueprint, of: object), to: &json)
        json.key("ownerReferences")
        write(OwnershipMetadata.ownerReferences(to: object), to: &json)
        json.endObject()
        json.key("type")
        json.string(blueprint.type)
        json.key("immutable")
        json.bool(blueprint.isImmutable)
        json.key("data")
        write(entries, to: &json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// Makes the Secret in `current` equal to the blueprint; foreign entries go. Nothing changes, not even the
    /// resourceVersion, when it is equal already.
    ///
    /// - Parameters:
    ///   - entries: nil: the data is as it should be.
    ///   - labels: the operator's, beside the template's.
    ///   - isAdoption: see `MetadataChanges`.
    static func updatePatch(
        _ current: ObjectMeta, to blueprint: DesiredSecret, of object: WrappedSecret, entries: [SecretEntry]?,
        adding labels: [String: String] = [:], isAdoption: Bool = false
    ) -> JSONPatch {
        let changes = MetadataChanges(
            current, to: blueprint, of: object, adding: labels, isAdoption: isAdoption)
        return JSONPatch { patch in
            patch.test("/metadata/uid", current.uid ?? "")
            patch.replace("/metadata/resourceVersion", current.resourceVersion ?? "")
            write(changes.labels, at: "/metadata/labels", in: &patch)
            write(changes.annotations, at: "/metadata/annotations", in: &patch)
            if let references = changes.ownerReferences {
                patch.operation("add", "/metadata/ownerReferences") { write(references, to: &$0) }
            }
            patch.operation("add", "/type") { $0.string(blueprint.type) }
            patch.operation("add", "/immutable") { $0.bool(blueprint.isImmutable) }
            if let entries { patch.operation("add", "/data") { write(entries, to: &$0) } }
        }
    }

    /// Body of the server-side apply that adds our entries to the Secret in `current`; those of an earlier apply that are
    /// not among them go.
    static func applyBody(
        _ blueprint: DesiredSecret, of object: WrappedSecret, to current: ObjectMeta, entries: [SecretEntry]
    ) -> SharedSecret {
        application(to: current) { json in
            json.key("labels")
            write(MetadataChanges.labels(blueprint, adding: [:]), to: &json)
            json.key("annotations")
            write(MetadataChanges.annotations(blueprint, of: object), to: &json)
            json.endObject()
            json.key("data")
            write(entries, to: &json)
        }
    }

    /// Body of the forced apply after an adoption. It changes nothing: it makes us a manager of the labels and annotations
    /// that an earlier manager set to the same values, so that those which leave the template later are removed.
    static func ownershipBody(
        _ blueprint: DesiredSecret, of object: WrappedSecret, in current: ObjectMeta,
        adding labels: [String: String]
    ) -> SharedSecret {
        application(to: current) { json in
            json.key("labels")
            write(MetadataChanges.labels(blueprint, adding: labels), to: &json)
            json.key("annotations")
            write(MetadataChanges.annotations(blueprint, of: object), to: &json)
            json.endObject()
        }
    }

    /// Body of the apply that takes out again whatever its manager alone has set.
    static func releaseBody(from current: ObjectMeta) -> SharedSecret {
        application(to: current) { $0.endObject() }
    }

    /// - Parameter rest: begins within `metadata`, and closes it.
    private static func application(
        to current: ObjectMeta, _ rest: (inout JSONSecretWriter) -> Void
    ) -> SharedSecret {
        var json = beginning(current.name, current.ref.namespace)
        json.key("uid")
        json.string(current.uid ?? "")
        json.key("resourceVersion")
        json.string(current.resourceVersion ?? "")
        rest(&json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// A Secret, up to the middle of its metadata.
    private static func beginning(_ name: String, _ namespace: String) -> JSONSecretWriter {
        var json = JSONSecretWriter()
        json.beginObject()
        json.key("apiVersion")
        json.string(Resource.secrets.apiVersion)
        json.key("kind")
        json.string(Resource.secrets.kind)
        json.key("metadata")
        json.beginObject()
        json.key("name")
        json.string(name)
        json.key("namespace")
        json.string(namespace)
        return json
    }

    private static func write(
        _ changes: MetadataChanges.KeyChanges, at path: String, in patch: inout JSONPatch.Builder
    ) {
        if changes.createsMap {
            patch.operation("add", path) { write(changes.added, to: &$0) }
            return
        }
        for (key, value) in changes.added.sorted(by: { $0.key < $1.key }) {
            patch.add(path + JSONPatch.pointer(key), value)
        }
        for key in changes.removed.sorted() { patch.remove(path + JSONPatch.pointer(key)) }
    }

    private static func write(_ pairs: [String: String], to json: inout JSONSecretWriter) {
        json.beginObject()
        for (key, value) in pairs.sorted(by: { $0.key < $1.key }) {
            json.key(key)
            json.string(value)
        }
        json.endObject()
    }

    private static func write(_ references: [OwnerReference], to json: inout JSONSecretWriter) {
        json.beginArray()
        for reference in references {
            json.beginObject()
            json.key("apiVersion")
            json.string(reference.apiVersion)
            json.key("kind")
            json.string(reference.kind)
            json.key("name")
            json.string(reference.name)
            json.key("uid")
            json.string(reference.uid)
            if let controller = reference.controller {
                json.key("controller")
                json.bool(controller)
            }
            if let blocks = reference.blockOwnerDeletion {
                json.key("blockOwnerDeletion")
                json.bool(blocks)
            }
            json.endObject()
        }
        json.endArray()
    }

    private static func write(_ entries: [SecretEntry], to json: inout JSONSecretWriter) {
        json.beginObject()
        for entry in entries {
            json.key(entry.name)
            json.base64(entry.value.bytes)
        }
        json.endObject()
    }
}
