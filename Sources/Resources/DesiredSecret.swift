import Cryptography
package import Envelope
import KubeClient

/// The Secret that a WrappedSecret describes, after every check that needs neither a key nor the cluster. It holds no
/// values, not even encrypted ones: `WrappedSecret.sealedEnvelope` returns the encrypted values.
package struct DesiredSecret: Sendable {
    package let name: String
    package let namespace: String
    package let type: String
    package let isImmutable: Bool
    /// The labels and annotations of the template, without those that the controller adds.
    package let labels: [String: String]
    package let annotations: [String: String]
    package let envelope: EnvelopeSummary
    /// The templates that render further keys from the entries.
    package let templates: TemplateData
    /// The keys of the Secret that are the WrappedSecret's, in byte order: the entries, and the templates.
    package let keys: [String]
    /// Identifies the values of the Secret: the digest of the envelope, and of the templates if there are any.
    package let sourceDigest: [UInt8]
    /// Set if the policy is Merge: the Secret has another owner, and only the entries are added to it.
    package let mergeIdentity: MergeIdentity?

    /// The field manager that `managedFields` of the Secret records for the controller's writes.
    package var fieldManager: String { mergeIdentity?.fieldManager ?? KubeClient.fieldManager }

    /// - Throws: `SpecError` with the reason for the status and a message that names the field.
    package init(_ object: WrappedSecret) throws(SpecError) {
        let spec = object.spec
        let template = spec.template
        name = object.secretName
        namespace = object.metadata.namespace ?? ""
        type = template?.type ?? "Opaque"
        isImmutable = template?.immutable ?? false
        labels = template?.metadata?.labels ?? [:]
        annotations = template?.metadata?.annotations ?? [:]
        do {
            envelope = try EnvelopeSummary(
                spec.envelope, namespace: object.metadata.namespace, secretName: name)
        } catch {
            throw SpecError(error)
        }
        let templates = try TemplateData(template?.data, entries: envelope.entryNames)
        self.templates = templates
        keys =
            templates.isEmpty
            ? envelope.entryNames
            : (envelope.entryNames + templates.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        do {
            if let hash = templates.hash {
                sourceDigest = try sha256(envelope.digest + Array(hash.utf8))
            } else {
                sourceDigest = envelope.digest
            }
            mergeIdentity = spec.isMerge ? try MergeIdentity(object.metadata.name) : nil
        } catch {
            throw SpecError(.crypto(error))
        }
        try SpecValidation.check(spec)
        try TemplateValidation.check(labels: labels)
        try TemplateValidation.check(annotations: annotations)
        try TemplateValidation.check(type: type, entries: keys)
        try SecretLimits.check(plaintextByteCount: envelope.plaintextByteCount)
        try ObjectLimits.check(template: annotations, of: object.metadata.name, isOrphan: spec.isOrphan)
    }
}

extension WrappedSecret {
    /// Returns the envelope with its ciphertexts, ready to be decrypted.
    /// It cannot be returned after `droppingCiphertexts`.
    ///
    /// - Throws: `SpecError` if the envelope is invalid, or if its ciphertexts were dropped.
    package func sealedEnvelope() throws(SpecError) -> Envelope {
        do {
            return try Envelope(spec.envelope, namespace: metadata.namespace, secretName: secretName)
        } catch {
            throw SpecError(error)
        }
    }

    /// Returns a copy without ciphertexts, to save memory in a cache. It can still become a `DesiredSecret`.
    package func droppingCiphertexts() -> WrappedSecret {
        var object = self
        object.spec.envelope = spec.envelope.droppingCiphertexts(
            namespace: metadata.namespace, secretName: secretName)
        return object
    }
}

/// A spec that does not describe a valid Secret.
package struct SpecError: Error, Equatable, Sendable, CustomStringConvertible {
    package let reason: Reason
    /// One line that names the field, the problem and what is expected.
    package let message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    init(_ error: EnvelopeError) {
        if case .unsupportedFormat = error {
            self.init(.unsupportedFormat, error.description)
        } else {
            self.init(.invalidSpec, error.description)
        }
    }

    package var description: String { message }
}
