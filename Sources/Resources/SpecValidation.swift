import Envelope

/// Validates the fields of a spec other than envelope and template, also those that this version ignores. The CRD has
/// the same rules.
enum SpecValidation {
    private static let policies = ["Owner", "Merge", "Orphan"]
    private static let providers = ["KeyProvider", "ClusterKeyProvider"]
    private static let maximumWorkloads = 16

    static func check(_ spec: WrappedSecretSpec) throws(SpecError) {
        if let key = spec.keyRef {
            try check(key.kind, "spec.keyRef.kind", in: providers)
            try check(name: key.name, "spec.keyRef.name")
        }
        if let policy = spec.creationPolicy {
            try check(policy, "spec.creationPolicy", in: policies)
        }
        if spec.creationPolicy == "Merge" {
            guard spec.recreate != true, spec.template?.type == nil, spec.template?.immutable == nil else {
                throw SpecError(
                    .invalidSpec,
                    "spec.creationPolicy Merge cannot be combined with recreate, template.type or "
                        + "template.immutable: another owner creates the Secret")
            }
        }
        let restarts = spec.rolloutRestart ?? []
        guard restarts.count <= maximumWorkloads else {
            throw SpecError(
                .invalidSpec,
                "spec.rolloutRestart has \(restarts.count) items; \(maximumWorkloads) at most are expected")
        }
        for (index, workload) in restarts.enumerated() {
            try check(
                workload.kind, "spec.rolloutRestart[\(index)].kind", in: WrappedSecretSpec.Workload.kinds)
            try check(name: workload.name, "spec.rolloutRestart[\(index)].name")
        }
    }

    private static func check(
        _ value: String, _ field: String, in expected: [String]
    ) throws(SpecError) {
        guard expected.contains(value) else {
            throw SpecError(
                .invalidSpec,
                "\(field) is not one of \(expected.joined(separator: ", "))")
        }
    }

    private static func check(name: String, _ field: String) throws(SpecError) {
        // The name becomes part of a URL.
        guard EnvelopeValidation.isDNSSubdomain(name) else {
            throw SpecError(.invalidSpec, "\(field) is not a valid object name (1 to 253 of a-z 0-9 - .)")
        }
    }
}
