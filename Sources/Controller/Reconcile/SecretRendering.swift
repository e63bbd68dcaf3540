import Envelope
import KubeClient
import Primitives
import Resources

/// Turns a blueprint and its opened values into what is sent to the API server. The bodies carry plaintext
/// and are built in secret memory.
enum SecretRendering {
    /// Body of the POST that creates the Secret.
    static func manifest(
        _ blueprint: Blueprint, of object: WrappedSecret, entries: [SecretEntry]
    ) -> SharedSecret {
        var json = JSONSecretWriter()
        json.beginObject()
        json.key("apiVersion")
        json.string(Resource.secrets.apiVersion)
        json.key("kind")
        json.string(Resource.secrets.kind)
        json.key("metadata")
        json.beginObject()
        json.key("name")
        json.string(blueprint.name)
        json.key("namespace")
        json.string(blueprint.namespace)
        json.key("labels")
        write(labels(blueprint), to: &json)
        json.key("annotations")
        write(annotations(blueprint, of: object), to: &json)
        json.key("ownerReferences")
        write([Markers.ownerReference(to: object)], to: &json)
        json.endObject()
        json.key("type")
        json.string(blueprint.type)
        json.key("immutable")
        json.bool(blueprint.immutable)
        json.key("data")
        write(entries, to: &json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// Makes the Secret in `current` equal to the blueprint. Foreign labels and annotations stay, foreign
    /// entries go; labels and annotations of an earlier template go, as `managedFields` remembers them.
    /// Nothing changes, not even the resourceVersion, when it is equal already.
    static func patch(
        _ current: ObjectMeta, to blueprint: Blueprint, of object: WrappedSecret, entries: [SecretEntry]
    ) -> JSONPatch {
        let ours = current.keysOwned(by: KubeClient.fieldManager)
        return JSONPatch { patch in
            patch.test("/metadata/uid", current.uid ?? "")
            patch.replace("/metadata/resourceVersion", current.resourceVersion ?? "")
            set(
                labels(blueprint), over: current.labels, owned: ours.labels, at: "/metadata/labels",
                in: &patch)
            set(
                annotations(blueprint, of: object), over: current.annotations, owned: ours.annotations,
                at: "/metadata/annotations", in: &patch)
            let references = ownerReferences(current, adding: Markers.ownerReference(to: object))
            if references != current.ownerReferences {
                patch.operation("add", "/metadata/ownerReferences") { write(references, to: &$0) }
            }
            patch.operation("add", "/type") { $0.string(blueprint.type) }
            patch.operation("add", "/immutable") { $0.bool(blueprint.immutable) }
            patch.operation("add", "/data") { write(entries, to: &$0) }
        }
    }

    private static func labels(_ blueprint: Blueprint) -> [String: String] {
        blueprint.labels.merging(Markers.labels()) { _, ours in ours }
    }

    private static func annotations(_ blueprint: Blueprint, of object: WrappedSecret) -> [String: String] {
        blueprint.annotations.merging(Markers.annotations(of: object)) { _, ours in ours }
    }

    /// Ours first, in place of whatever WrappedSecrets left; what others added stays.
    private static func ownerReferences(
        _ current: ObjectMeta, adding ours: OwnerReference
    ) -> [OwnerReference] {
        [ours] + (current.ownerReferences ?? []).filter { !Markers.isOurKind($0) }
    }

    private static func set(
        _ wanted: [String: String], over current: [String: String]?, owned: Set<String>, at path: String,
        in patch: inout JSONPatch.Builder
    ) {
        guard let current else {
            patch.operation("add", path) { write(wanted, to: &$0) }
            return
        }
        for (key, value) in wanted.sorted(by: { $0.key < $1.key }) where current[key] != value {
            patch.add(path + JSONPatch.pointer(key), value)
        }
        for key in current.keys.sorted() where wanted[key] == nil && owned.contains(key) {
            patch.remove(path + JSONPatch.pointer(key))
        }
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
