import Cryptography
import Envelope
import KubeClient
import Resources

/// Builds the bodies of the requests that write a Secret. They contain plaintext, and are built in secret memory.
enum SecretRendering {
    /// Returns the body of the POST that creates the Secret.
    ///
    /// - Parameter name: another name for a dry run, or nil.
    static func createBody(
        _ desired: DesiredSecret, of object: WrappedSecret, entries: [SecretEntry],
        adding labels: [String: String] = [:], name: String? = nil
    ) -> SharedSecret {
        var json = openSecret(name ?? desired.name, desired.namespace)
        writeMetadata(desired, of: object, adding: labels, to: &json)
        json.key("ownerReferences")
        write(OwnershipMetadata.ownerReferences(to: object), to: &json)
        json.endObject()
        json.member("type", desired.type)
        json.key("immutable")
        json.bool(desired.isImmutable)
        json.key("data")
        write(entries, to: &json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// Returns the patch that makes the Secret equal to the desired one, and removes other entries. It changes nothing,
    /// not even the resourceVersion, if the Secret is equal already.
    ///
    /// - Parameters:
    ///   - entries: the data, or nil if it does not change.
    ///   - labels: the labels that the operator adds.
    ///   - isAdoption: see `MetadataChanges`.
    static func updatePatch(
        _ current: ObjectMeta, to desired: DesiredSecret, of object: WrappedSecret, entries: [SecretEntry]?,
        adding labels: [String: String] = [:], isAdoption: Bool = false
    ) -> JSONPatch {
        let changes = MetadataChanges(
            current, to: desired, of: object, adding: labels, isAdoption: isAdoption)
        return JSONPatch { patch in
            patch.test("/metadata/uid", current.uid ?? "")
            patch.replace("/metadata/resourceVersion", current.resourceVersion ?? "")
            write(changes.labels, at: "/metadata/labels", in: &patch)
            write(changes.annotations, at: "/metadata/annotations", in: &patch)
            if let references = changes.ownerReferences {
                patch.operation("add", "/metadata/ownerReferences") { write(references, to: &$0) }
            }
            patch.operation("add", "/type") { $0.string(desired.type) }
            patch.operation("add", "/immutable") { $0.bool(desired.isImmutable) }
            if let entries { patch.operation("add", "/data") { write(entries, to: &$0) } }
        }
    }

    /// Returns the body of the server-side apply that merges the entries into a Secret. The API server removes those of
    /// an earlier apply that are not among them.
    static func applyBody(
        _ desired: DesiredSecret, of object: WrappedSecret, to current: ObjectMeta, entries: [SecretEntry]
    ) -> SharedSecret {
        applyBody(to: current) { json in
            writeMetadata(desired, of: object, adding: [:], to: &json)
            json.endObject()
            json.key("data")
            write(entries, to: &json)
        }
    }

    /// Returns the body of the forced apply after an adoption. It changes no value. It makes us a manager of the labels
    /// and annotations that an earlier manager set to the same values, so that they can be removed with the template.
    static func ownershipBody(
        _ desired: DesiredSecret, of object: WrappedSecret, in current: ObjectMeta,
        adding labels: [String: String]
    ) -> SharedSecret {
        applyBody(to: current) { json in
            writeMetadata(desired, of: object, adding: labels, to: &json)
            json.endObject()
        }
    }

    /// Returns the body of the apply that removes everything which its field manager alone has set.
    static func releaseBody(from current: ObjectMeta) -> SharedSecret {
        applyBody(to: current) { $0.endObject() }
    }

    /// - Parameter writeRest: starts within `metadata`, and closes it.
    private static func applyBody(
        to current: ObjectMeta, _ writeRest: (inout JSONSecretWriter) -> Void
    ) -> SharedSecret {
        var json = openSecret(current.name, current.ref.namespace)
        json.member("uid", current.uid ?? "")
        json.member("resourceVersion", current.resourceVersion ?? "")
        writeRest(&json)
        json.endObject()
        return SharedSecret(json.finish())
    }

    /// Starts a Secret, and leaves its metadata open.
    private static func openSecret(_ name: String, _ namespace: String) -> JSONSecretWriter {
        var json = JSONSecretWriter()
        json.beginManifest(.secrets, ObjectRef(namespace: namespace, name: name))
        return json
    }

    private static func writeMetadata(
        _ desired: DesiredSecret, of object: WrappedSecret, adding labels: [String: String],
        to json: inout JSONSecretWriter
    ) {
        json.key("labels")
        json.object(MetadataChanges.labels(desired, adding: labels).sortedByKey)
        json.key("annotations")
        json.object(MetadataChanges.annotations(desired, of: object).sortedByKey)
    }

    private static func write(
        _ changes: MetadataChanges.KeyChanges, at path: String, in patch: inout JSONPatch.Builder
    ) {
        if changes.createsMap {
            patch.operation("add", path) { $0.object(changes.added.sortedByKey) }
            return
        }
        for (key, value) in changes.added.sortedByKey { patch.add(path + JSONPatch.pointer(key), value) }
        for key in changes.removed.sorted() { patch.remove(path + JSONPatch.pointer(key)) }
    }

    private static func write(_ references: [OwnerReference], to json: inout JSONSecretWriter) {
        json.beginArray()
        for reference in references {
            json.beginObject()
            json.member("apiVersion", reference.apiVersion)
            json.member("kind", reference.kind)
            json.member("name", reference.name)
            json.member("uid", reference.uid)
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

extension [String: String] {
    fileprivate var sortedByKey: [Element] { sorted { $0.key < $1.key } }
}
