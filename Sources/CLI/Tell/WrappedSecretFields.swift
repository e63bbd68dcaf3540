import YAML

/// The fields that a WrappedSecret has by its CRD. The API server drops others without a word, or `kubectl apply` refuses
/// them: `suspended: true` suspends nothing.
enum WrappedSecretFields {
    /// Errors: it has a field that its kind does not have. The error does not quote the field.
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
            try check(recipient, "an item of spec.recipients", ["keyID", "wrappedKey"], source)
        }
        let template = spec?["template"]
        try check(template, "spec.template", ["metadata", "type", "immutable"], source)
        try check(
            template?["metadata"], "spec.template.metadata", ["name", "labels", "annotations"],
            // Without effect there, which is a note and no problem.
            hidden: Set(
                ManifestFields.serverManagedMetadata + ManifestFields.unsupportedMetadata + ["namespace"]),
            source)
        try check(spec?["keyRef"], "spec.keyRef", ["kind", "name"], source)
        for workload in spec?["rolloutRestart"]?.elements ?? [] {
            try check(workload, "an item of spec.rolloutRestart", ["kind", "name"], source)
        }
    }

    private static func check(
        _ node: YAMLNode?, _ what: String, _ known: [String], hidden: Set<String> = [], _ source: String
    ) throws(InputError) {
        try ManifestFields.rejectUnknownFields(
            node?.entries ?? [], what, known: known, hidden: hidden, source,
            "is it misspelt, or indented wrongly?")
    }
}
