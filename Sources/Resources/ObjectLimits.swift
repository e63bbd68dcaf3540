import Envelope

/// The limit of the API server for the values of one Secret.
package enum SecretLimits {
    /// All values together, in bytes (core/v1, `MaxSecretSize`).
    package static let maximumPlaintextBytes = 1_048_576

    package static func check(plaintextByteCount: Int) throws(SpecError) {
        guard plaintextByteCount <= maximumPlaintextBytes else {
            throw SpecError(
                .tooLarge,
                "the values are \(plaintextByteCount) bytes in total; a Secret holds at most \(maximumPlaintextBytes): "
                    + "split it")
        }
    }
}

/// The limits of the API server for an object as a whole, beside the limits of its fields. Sizes are in bytes.
package enum ObjectLimits {
    /// All annotations of an object, keys and values (apimachinery, `TotalAnnotationSizeLimitB`).
    package static let maximumAnnotationBytes = 262_144
    /// etcd's default limit for a request (`--max-request-bytes`), which is little more than the object.
    package static let maximumObjectBytes = 1_572_864
    /// Room for what the API server and the controller add to an object: status, conditions, uid, times.
    private static let reserve = 16 * 1024

    /// Checks the annotations that a Secret gets: those of the template and those that the controller adds.
    ///
    /// - Parameter name: the name of the WrappedSecret.
    package static func check(
        template annotations: [String: String], of name: String, isOrphan: Bool
    ) throws(SpecError) {
        // Those of the controller alone are far below the limit.
        guard !annotations.isEmpty else { return }
        // A uid and a generation of their maximum length.
        var added = [
            OwnershipMetadata.wrappedSecretAnnotation: name,
            OwnershipMetadata.sourceAnnotation: String(repeating: "0", count: 56),
        ]
        if isOrphan { added[OwnershipMetadata.creationPolicyAnnotation] = "Orphan" }
        let count = size(of: annotations) + size(of: added)
        guard count <= maximumAnnotationBytes else {
            throw SpecError(
                .tooLarge,
                "spec.template.metadata.annotations: the Secret would have \(count) bytes of annotations, keys and values, "
                    + "with the controller's own \(size(of: added)); the API server accepts \(maximumAnnotationBytes) at "
                    + "most: remove some")
        }
    }

    /// Checks labels and annotations by the API server's rules for any object; the rules for a template are narrower.
    ///
    /// - Parameter field: the field that has `labels` and `annotations`, for messages.
    package static func check(
        labels: [String: String], annotations: [String: String], of field: String
    ) throws(SpecError) {
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard TemplateValidation.isQualifiedName(key, lowercasePrefix: true),
                TemplateValidation.isLabelValue(value)
            else {
                throw SpecError(
                    .invalidSpec,
                    "\(field).labels: \(EnvelopeValidation.quoted(key)) is not a label (key [prefix/]name, value at most 63 of A-Z a-z "
                        + "0-9 - _ ., with a letter or digit at both ends)")
            }
        }
        for key in annotations.keys.sorted()
        where !TemplateValidation.isQualifiedName(key, lowercasePrefix: false) {
            throw SpecError(
                .invalidSpec,
                "\(field).annotations: \(EnvelopeValidation.quoted(key)) is not a valid annotation key")
        }
        let count = size(of: annotations)
        guard count <= maximumAnnotationBytes else {
            throw SpecError(
                .tooLarge,
                "\(field).annotations has \(count) bytes, keys and values; the API server accepts "
                    + "\(maximumAnnotationBytes) at most: remove some")
        }
    }

    /// Checks the size of a stored WrappedSecret: its fields, and the names of its entries again in `managedFields`.
    ///
    /// - Parameters:
    ///   - json: the size of the manifest as JSON.
    ///   - names: the names of the entries.
    package static func check(json: Int, names: some Sequence<String>) throws(SpecError) {
        try check(names.reduce(json) { $0 + $1.utf8.count + 8 }, of: "the WrappedSecret")
    }

    /// Checks the size of a stored Secret: its values, and the names of its entries again in `managedFields`.
    package static func check(
        plaintextByteCount: Int, names: some Sequence<String>, labels: [String: String],
        annotations: [String: String]
    ) throws(SpecError) {
        let metadata = 2 * (size(of: labels) + size(of: annotations))
        try check(
            names.reduce(plaintextByteCount + metadata) { $0 + 2 * $1.utf8.count + 16 }, of: "the Secret")
    }

    private static func check(_ count: Int, of object: String) throws(SpecError) {
        guard count + reserve <= maximumObjectBytes else {
            throw SpecError(
                .tooLarge,
                "\(object) has about \(count) bytes with its metadata; the API server stores "
                    + "\(maximumObjectBytes - reserve) at most: split it")
        }
    }

    private static func size(of pairs: [String: String]) -> Int {
        pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    }
}
