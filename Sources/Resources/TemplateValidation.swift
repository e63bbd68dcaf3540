import Envelope
import KubeClient
import System

/// Validates the template of a Secret. The CRD has the same rules in CEL; these ones serve the CLI, and API servers that
/// drop CEL rules.
package enum TemplateValidation {
    private static let forbiddenLabels: Set<String> = [
        "app.kubernetes.io/managed-by", "applyset.kubernetes.io/part-of", "argocd.argoproj.io/instance",
        "objectset.rio.cattle.io/hash",
    ]
    private static let forbiddenAnnotations: Set<String> = [
        "kubectl.kubernetes.io/last-applied-configuration", "argocd.argoproj.io/tracking-id",
        "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid",
    ]
    private static let forbiddenAnnotationPrefixes = ["meta.helm.sh/", "objectset.rio.cattle.io/"]
    private static let forbiddenTypes: Set<String> = [
        "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token",
    ]
    /// Entries that kube-apiserver requires for a type: one of each inner list.
    private static let requiredEntries: [String: [[String]]] = [
        "kubernetes.io/tls": [["tls.crt"], ["tls.key"]],
        "kubernetes.io/dockerconfigjson": [[".dockerconfigjson"]],
        "kubernetes.io/dockercfg": [[".dockercfg"]],
        "kubernetes.io/ssh-auth": [["ssh-privatekey"]],
        "kubernetes.io/basic-auth": [["username", "password"]],
    ]
    private static let maximumPairs = 64
    private static let maximumAnnotationBytes = 65536

    /// Returns true if a template must not set this label, because it belongs to the controller or to an apply tool.
    package static func isForbidden(label key: String) -> Bool {
        hasOwnPrefix(key) || forbiddenLabels.contains(key)
    }

    package static func isForbidden(annotation key: String) -> Bool {
        hasOwnPrefix(key) || forbiddenAnnotations.contains(key)
            || forbiddenAnnotationPrefixes.contains { key.hasPrefix($0) }
    }

    package static func isForbidden(type: String) -> Bool {
        forbiddenTypes.contains(type)
    }

    package static func check(labels: [String: String]) throws(SpecError) {
        let field = "spec.template.metadata.labels"
        try checkCount(labels, field)
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard isQualifiedName(key, lowercasePrefix: true) else {
                throw SpecError(
                    .invalidSpec, "\(field): \(EnvelopeValidation.quoted(key)) is not a valid label key")
            }
            guard isLabelValue(value) else {
                throw SpecError(
                    .invalidSpec,
                    "\(field): the value of \(key) is not a label value (at most 63 of A-Z a-z 0-9 - _ ., "
                        + "with a letter or digit at both ends)")
            }
            guard !isForbidden(label: key) else {
                throw SpecError(
                    .invalidSpec,
                    "\(field): \(key) cannot be set from a template; it belongs to the controller or to an "
                        + "apply tool")
            }
        }
    }

    package static func check(annotations: [String: String]) throws(SpecError) {
        let field = "spec.template.metadata.annotations"
        try checkCount(annotations, field)
        for (key, value) in annotations.sorted(by: { $0.key < $1.key }) {
            guard isQualifiedName(key, lowercasePrefix: false) else {
                throw SpecError(
                    .invalidSpec, "\(field): \(EnvelopeValidation.quoted(key)) is not a valid annotation key")
            }
            guard value.utf8.count <= maximumAnnotationBytes else {
                throw SpecError(
                    .invalidSpec,
                    "\(field): the value of \(key) is longer than \(maximumAnnotationBytes) bytes")
            }
            guard !isForbidden(annotation: key) else {
                throw SpecError(
                    .invalidSpec,
                    "\(field): \(key) cannot be set from a template; it belongs to the controller, to an "
                        + "apply tool or to service accounts")
            }
        }
    }

    package static func check(type: String, entries: some Collection<String>) throws(SpecError) {
        guard (1...253).contains(type.utf8.count) else {
            throw SpecError(.invalidSpec, "spec.template.type must have 1 to 253 bytes")
        }
        guard !isForbidden(type: type) else {
            throw SpecError(
                .forbiddenType,
                "spec.template.type \(type) carries cluster credentials; no WrappedSecret may create such a Secret"
            )
        }
        for alternatives in requiredEntries[type] ?? [] {
            guard alternatives.contains(where: { entries.contains($0) }) else {
                throw SpecError(
                    .invalidSpec,
                    "spec.template.type \(type) needs the entry \(alternatives.joined(separator: " or "))")
            }
        }
    }

    private static func checkCount(_ pairs: [String: String], _ field: String) throws(SpecError) {
        guard pairs.count <= maximumPairs else {
            throw SpecError(
                .invalidSpec, "\(field) has \(pairs.count) items; \(maximumPairs) at most are expected")
        }
    }

    private static func hasOwnPrefix(_ key: String) -> Bool {
        guard let slash = key.firstIndex(of: "/") else { return false }
        let prefix = key[..<slash]
        return prefix == "secrets-bridge.io" || prefix.hasSuffix(".secrets-bridge.io")
    }

    /// Returns true if `key` is `[prefix/]name`: a DNS subdomain, and 1 to 63 of A-Z a-z 0-9 - _ . with a letter or digit at
    /// both ends (Kubernetes, "Labels and Selectors").
    static func isQualifiedName(_ key: String, lowercasePrefix: Bool) -> Bool {
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, parts.count <= 2 else { return false }
        if parts.count == 2 {
            let prefix = String(parts[0])
            guard EnvelopeValidation.isDNSSubdomain(lowercasePrefix ? prefix : prefix.lowercased()) else {
                return false
            }
        }
        return (1...63).contains(name.utf8.count) && isBoundedName(name.utf8)
    }

    static func isLabelValue(_ value: String) -> Bool {
        value.isEmpty || value.utf8.count <= 63 && isBoundedName(value.utf8)
    }

    private static func isBoundedName(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last else { return false }
        return first.isASCIILetterOrDigit && last.isASCIILetterOrDigit
            && bytes.allSatisfy { $0.isASCIILetterOrDigit || "-_.".utf8.contains($0) }
    }
}
