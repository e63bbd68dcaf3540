import Cryptography
import Envelope
import JSON
import KubeClient
package import Resources
import System
package import YAML

/// A WrappedSecret in a file, with its location.
package struct WrappedSecretDocument: Sendable {
    /// `FILE:LINE:COLUMN`
    package let location: String
    /// The name of the file in messages.
    let source: String
    package let node: YAMLNode
    package let object: WrappedSecret

    /// - Throws: `InputError` if the node is not a WrappedSecret, or is malformed.
    init(_ node: YAMLNode, source: String) throws(InputError) {
        location = node.range.location(in: source)
        self.source = source
        self.node = node
        // Checked before decoding, whose errors would quote a key: it may be a mistyped value.
        let data = Self.isWrappedSecret(node) ? node["spec"]?["data"] : nil
        for entry in data?.entries ?? [] { try ManifestFields.checkEntry(entry, source) }
        let kind = node["kind"]?.string ?? ""
        let version = node["apiVersion"]?.string ?? ""
        guard kind == WrappedSecret.resource.kind, version == WrappedSecret.resource.apiVersion else {
            throw InputError(
                location,
                "found \(describeKind(kind, version)); kind: \(WrappedSecret.resource.kind), "
                    + "apiVersion: \(WrappedSecret.resource.apiVersion) are expected")
        }
        let read = JSONWriter.write(node).withUnsafeBytes { json in
            Result { () throws(JSONError) in try JSONReader.read(WrappedSecret.self, from: json) }
        }
        do {
            var object = try read.get()
            // The API server treats an empty namespace as absent.
            if object.metadata.namespace == "" { object.metadata.namespace = nil }
            self.object = object
        } catch {
            throw InputError(location, "the WrappedSecret is malformed: \(error)")
        }
        try checkCounts()
    }

    /// Refuses more recipients or entries than an envelope has. Commands compare those of several versions with each other.
    private func checkCounts() throws(InputError) {
        let envelope = object.spec.envelope
        for (field, count, limit) in [
            ("recipients", envelope.recipients.count, EnvelopeValidation.maximumRecipients),
            ("data", envelope.data.count, EnvelopeValidation.maximumEntries),
        ] where count > limit {
            throw InputError(
                location,
                "spec.\(field) of WrappedSecret \(object.metadata.name.sanitizedName) has \(count) items; at most \(limit) "
                    + "are expected")
        }
    }

    /// Returns true for a WrappedSecret of any version. An unknown version is an error, and not an object to skip.
    static func isWrappedSecret(_ node: YAMLNode) -> Bool {
        node["kind"]?.string == WrappedSecret.resource.kind
            && node["apiVersion"]?.string?.hasPrefix("\(WrappedSecret.resource.group)/") == true
    }

    /// The name that tells it from the others in a file: `NAMESPACE/NAME`.
    package var qualifiedName: String {
        (object.metadata.namespace.map { "\($0)/" } ?? "") + object.metadata.name
    }

    /// Returns the object with its own namespace or the given one.
    ///
    /// - Throws: `InputError` if they differ, or if the scope needs a namespace and there is none.
    package func object(namespace given: String?) throws(InputError) -> WrappedSecret {
        var object = object
        if let given {
            if let own = object.metadata.namespace, own != given {
                throw InputError(location, namespace: own, given: given)
            }
            object.metadata.namespace = given
        }
        guard object.metadata.namespace != nil || object.spec.envelope.scope == Scope.cluster.rawValue else {
            throw InputError(
                location, "WrappedSecret \(object.metadata.name) has no namespace; give --namespace")
        }
        return object
    }
}

/// Finds fields that the CRD does not define. The API server drops them silently, or `kubectl apply` refuses them:
/// `suspended: true` suspends nothing.
enum WrappedSecretFields {
    /// - Throws: `InputError` for an unknown field, without quoting it.
    static func check(_ document: WrappedSecretDocument) throws(InputError) {
        let (node, source) = (document.node, document.source)
        try check(
            node, "a WrappedSecret", ["apiVersion", "kind", "metadata", "spec"], hidden: ["status"], source)
        try check(
            node["metadata"], "metadata of a WrappedSecret", ["name", "namespace", "labels", "annotations"],
            hidden: Set(ManifestFields.serverManagedMetadata + ManifestFields.unsupportedMetadata), source)
        let spec = node["spec"]
        try check(
            spec, "spec of a WrappedSecret",
            [
                "format", "scope", "recipients", "mac", "data", "template", "keyRef", "creationPolicy",
                "recreate",
                "suspend", "rolloutRestart",
            ], source)
        for recipient in spec?["recipients"]?.elements ?? [] {
            try check(recipient, "an item of spec.recipients", ["keyID", "algorithm", "wrappedKey"], source)
        }
        let template = spec?["template"]
        try check(template, "spec.template", ["metadata", "type", "immutable", "data"], source)
        try check(
            template?["metadata"], "spec.template.metadata", ["name", "labels", "annotations"],
            // These have no effect in a template, which `verify` notes.
            hidden: Set(
                ManifestFields.serverManagedMetadata + ManifestFields.unsupportedMetadata + ["namespace"]),
            source)
        try check(spec?["keyRef"], "spec.keyRef", ["kind", "name"], source)
        for workload in spec?["rolloutRestart"]?.elements ?? [] {
            try check(workload, "an item of spec.rolloutRestart", ["kind", "name"], source)
        }
    }

    private static func check(
        _ node: YAMLNode?, _ owner: String, _ known: [String], hidden: Set<String> = [], _ source: String
    ) throws(InputError) {
        try ManifestFields.rejectUnknownFields(
            node?.entries ?? [], of: owner, known: known, hidden: hidden, source)
    }
}
