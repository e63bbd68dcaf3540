/// What the API server accepts of an object as a whole, beside the limits of its fields.
package enum ObjectLimits {
    /// Bytes of all annotations of an object, keys and values (apimachinery, `TotalAnnotationSizeLimitB`).
    package static let maximumAnnotationBytes = 262_144
    /// Bytes of a request to etcd by default (`--max-request-bytes`); the object is nearly all of it.
    package static let maximumObjectBytes = 1_572_864
    /// Room for what the API server and the controller add to an object: status, conditions, uid, times.
    private static let reserve = 16 * 1024

    /// - Parameter field: that holds the annotations.
    private static func check(annotations: [String: String], _ field: String) throws(SpecError) {
        let count = size(of: annotations)
        guard count <= maximumAnnotationBytes else {
            throw SpecError(
                .tooLarge,
                "\(field) has \(count) bytes, keys and values; the API server accepts \(maximumAnnotationBytes) at most: "
                    + "remove some")
        }
    }

    /// The annotations of the Secret: the template's and those that the controller adds.
    ///
    /// - Parameter name: of the WrappedSecret.
    package static func check(
        template annotations: [String: String], of name: String, isOrphan: Bool
    ) throws(SpecError) {
        // A uid and a generation as long as they get.
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

    /// Labels and annotations as the API server accepts them on any object; what a template may set is narrower.
    package static func check(
        labels: [String: String], annotations: [String: String], of field: String
    ) throws(SpecError) {
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard TemplateValidation.isQualifiedName(key, lowercasePrefix: true),
                TemplateValidation.isLabelValue(value)
            else {
                throw SpecError(
                    .invalidSpec,
                    "\(field).labels: \(key.debugDescription) is not a label (key [prefix/]name, value at most 63 of A-Z a-z "
                        + "0-9 - _ ., with a letter or digit at both ends)")
            }
        }
        for key in annotations.keys.sorted()
        where !TemplateValidation.isQualifiedName(key, lowercasePrefix: false) {
            throw SpecError(
                .invalidSpec, "\(field).annotations: \(key.debugDescription) is not the key of an annotation")
        }
        try check(annotations: annotations, "\(field).annotations")
    }

    /// The WrappedSecret as it is stored, as JSON: its fields once, the names of entries again under `managedFields`.
    ///
    /// - Parameters:
    ///   - json: its size as a manifest.
    ///   - names: of the entries.
    package static func check(json: Int, names: some Sequence<String>) throws(SpecError) {
        try check(names.reduce(json) { $0 + $1.utf8.count + 8 }, "the WrappedSecret")
    }

    /// The Secret as it is stored: values as they are, the names of entries again under `managedFields`.
    package static func check(
        plaintextCount: Int, names: some Sequence<String>, labels: [String: String],
        annotations: [String: String]
    ) throws(SpecError) {
        let metadata = 2 * (size(of: labels) + size(of: annotations))
        try check(names.reduce(plaintextCount + metadata) { $0 + 2 * $1.utf8.count + 16 }, "the Secret")
    }

    private static func check(_ count: Int, _ what: String) throws(SpecError) {
        guard count + reserve <= maximumObjectBytes else {
            throw SpecError(
                .tooLarge,
                "\(what) has about \(count) bytes with its metadata; the API server stores \(maximumObjectBytes - reserve) at "
                    + "most: split it")
        }
    }

    private static func size(of pairs: [String: String]) -> Int {
        pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    }
}
