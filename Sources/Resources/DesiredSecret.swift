package import Envelope
import KubeClient

/// The Secret that a WrappedSecret asks for, after every check that needs neither key nor cluster. It holds no values,
/// not even encrypted ones: `WrappedSecret.sealedEnvelope` has these.
package struct DesiredSecret: Sendable {
    package let name: String
    package let namespace: String
    package let type: String
    package let isImmutable: Bool
    /// The template's, without what the controller adds.
    package let labels: [String: String]
    package let annotations: [String: String]
    package let envelope: EnvelopeSummary
    /// Set when the Secret is somebody else's and only gets our entries.
    package let mergeIdentity: MergeIdentity?

    /// Under which our writes to the Secret stand in `managedFields`.
    package var fieldManager: String { mergeIdentity?.fieldManager ?? KubeClient.fieldManager }

    /// Errors: `SpecError` with the reason for the status and one line that names the field.
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
        do {
            mergeIdentity = spec.isMerge ? try MergeIdentity(object.metadata.name) : nil
        } catch {
            throw SpecError(.crypto(error))
        }
        try SpecValidation.check(spec)
        try TemplateValidation.check(labels: labels)
        try TemplateValidation.check(annotations: annotations)
        try TemplateValidation.check(type: type, entries: envelope.entryNames)
        try SecretLimits.check(plaintextCount: envelope.plaintextByteCount)
        try ObjectLimits.check(template: annotations, of: object.metadata.name, isOrphan: spec.isOrphan)
    }
}

extension WrappedSecret {
    /// The envelope with its ciphertexts, ready to be opened. They must not have been dropped.
    ///
    /// Errors: as `DesiredSecret.init`.
    package func sealedEnvelope() throws(SpecError) -> Envelope {
        do {
            return try Envelope(spec.envelope, namespace: metadata.namespace, secretName: secretName)
        } catch {
            throw SpecError(error)
        }
    }

    /// The same object without its ciphertexts.
    package func droppingCiphertexts() -> WrappedSecret {
        var object = self
        object.spec.envelope = spec.envelope.droppingCiphertexts(
            namespace: metadata.namespace, secretName: secretName)
        return object
    }
}

/// A spec that cannot be turned into a Secret.
package struct SpecError: Error, Equatable, Sendable, CustomStringConvertible {
    package let reason: Reason
    /// One line: what is wrong, where, what is expected.
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
