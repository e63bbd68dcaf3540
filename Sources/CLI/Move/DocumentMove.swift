package import Cryptography
package import Envelope
import KubeClient
import Resources
import System
import YAML

/// Moves a WrappedSecret of a file to another namespace or name. The values are sealed under a new data key if their binding
/// changes; every other field, the comments and the layout stay.
package struct DocumentMove: Sendable {
    /// The place to move to. A nil field keeps what the WrappedSecret has.
    package struct Destination: Sendable {
        package let namespace: String?
        package let name: String?
        /// The name of the Secret, under `spec.template.metadata.name`.
        package let secretName: String?

        package init(namespace: String?, name: String?, secretName: String?) {
            self.namespace = namespace
            self.name = name
            self.secretName = secretName
        }
    }

    private let opened: OpenedDocument
    private let edit: ValueEdit
    private let rule: Rule?
    private let new: Destination

    /// - Parameters:
    ///   - recipientKeys: Wrap for the recipients with their key ids, whose keys need not be configured.
    ///   - rule: The rule for the file that is written.
    ///   - note: Gets a line if the rule changes recipients.
    package init(
        _ opened: OpenedDocument, to destination: Destination, with keys: KeyRing,
        recipientKeys: [RecipientKey] = [], rule: Rule? = nil,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.opened = opened
        self.rule = rule
        edit = ValueEdit(opened, with: keys, recipientKeys: recipientKeys, rule: rule, note: note)
        new = destination
    }

    private var document: WrappedSecretDocument { opened.file.documents[opened.index] }
    private var name: String { new.name ?? opened.name }
    private var namespace: String? { new.namespace ?? opened.namespace }

    /// The name of the moved Secret: a WrappedSecret without a template's name gives its own.
    private var secretName: String {
        new.secretName ?? document.object.spec.template?.metadata?.name ?? name
    }

    private var isInPlace: Bool {
        name == opened.name && namespace == opened.namespace && secretName == opened.secretName
    }

    /// Returns the contents of the file after the move, or nil if nothing changes.
    ///
    /// - Throws: `InputError` if the file has an object of the new name already, the KMS refuses, or the layout cannot be
    ///   edited. Nothing is written in any case.
    package func editedContents() async throws(InputError) -> SharedSecret? {
        guard !isInPlace else { return nil }
        try checkNoDuplicate()
        let envelope = try await sealedEnvelope()
        if let envelope { edit.noteChangedRecipients(envelope) }
        return try opened.file.edited { editor throws(SourceEditError) in
            if let envelope { try edit.replaceEnvelope(with: envelope.fields, in: &editor) }
            try changeTemplate(with: &editor)
            try changeMetadata(with: &editor)
        }
    }

    /// Replaces the file by the contents that `editedContents` returned.
    package func replaceFile(with contents: SharedSecret) throws(InputError) {
        try opened.file.replaceContents(with: contents)
    }

    /// Refuses to write a copy of the file if it holds more than the WrappedSecret: the copy would have the others, too.
    package func checkOnlyDocument() throws(InputError) {
        let objects = try ManifestFile.objects(
            in: opened.file.contents.bytes, source: opened.file.path, kind: WrappedSecret.resource.kind)
        guard objects.count == 1 else {
            throw InputError(
                opened.file.path,
                "has \(objects.count) objects, and --output-file would write all of them; leave it out to move within the file"
            )
        }
    }

    private func checkNoDuplicate() throws(InputError) {
        for (index, other) in opened.file.documents.enumerated() where index != opened.index {
            let metadata = other.object.metadata
            guard metadata.name == name, (metadata.namespace ?? namespace) == namespace else { continue }
            throw InputError(
                other.location,
                "the file has a WrappedSecret \(place(namespace, name)) already; choose another name")
        }
    }

    /// Returns nil if the ciphertexts are bound to nothing that changes, and the recipients follow the rule.
    private func sealedEnvelope() async throws(InputError) -> Envelope? {
        let old = opened.desiredSecret.envelope.binding
        let binding: Binding
        do throws(EnvelopeError) {
            try EnvelopeValidation.check(secretName: name)
            binding = try Binding(scope: old.scope, namespace: namespace, secretName: secretName)
        } catch {
            throw InputError(opened.location, error.description)
        }
        if let rule,
            let violation = RuleEnforcement.bindingViolations(
                of: old.scope.rawValue, namespace: namespace, by: rule
            ).first
        {
            throw InputError(opened.location, "\(violation), or give --rules none")
        }
        let keyIDs = opened.desiredSecret.envelope.recipients.map(\.keyID)
        let keepsRule = rule.map { RuleEnforcement.recipientViolations(of: keyIDs, by: $0).isEmpty } ?? true
        guard binding != old || !keepsRule else { return nil }
        return try await edit.seal(opened.entries, for: binding)
    }

    private func changeMetadata(with editor: inout SourceEditor) throws(SourceEditError) {
        guard let metadata = document.node["metadata"] else { return }
        if let name = new.name, name != opened.name, let node = metadata["name"] {
            try editor.replace(node, with: name)
        }
        guard let namespace = new.namespace, namespace != document.object.metadata.namespace else { return }
        if let node = metadata["namespace"], document.object.metadata.namespace != nil {
            try editor.replace(node, with: namespace)
        } else {
            try editor.set("namespace", of: metadata, to: .string(namespace))
        }
    }

    private func changeTemplate(with editor: inout SourceEditor) throws(SourceEditError) {
        guard let secretName = new.secretName, let spec = document.node["spec"] else { return }
        let template = spec["template"]
        let metadata = template?["metadata"]
        if let node = metadata?["name"], !node.isNull {
            guard document.object.spec.template?.metadata?.name != secretName else { return }
            try editor.replace(node, with: secretName)
        } else if secretName == name {
            // It is the default.
            return
        } else if let metadata, metadata.entries?.isEmpty == false {
            try editor.set("name", of: metadata, to: .string(secretName))
        } else if let template, template.entries?.isEmpty == false {
            try editor.set("metadata", of: template, to: .mapping([("name", secretName)]))
        } else {
            try editor.set(
                "template", of: spec, to: .nested([("metadata", .mapping([("name", secretName)]))]))
        }
    }

    /// The move as text: `payments/db -> billing/db`.
    package var description: String {
        let secret =
            secretName == opened.secretName || (secretName == name && opened.secretName == opened.name)
            ? "" : " (Secret \(opened.secretName) -> \(secretName))"
        return "\(place(opened.namespace, opened.name)) -> \(place(namespace, name))\(secret)"
    }

    private func place(_ namespace: String?, _ name: String) -> String {
        (namespace.map { "\($0)/" } ?? "") + name
    }

    /// Lines on what the user has to know or do in the cluster, and in other files.
    package var notes: [String] {
        [handover, providerNote, serverMetadataNote].compactMap(\.self)
    }

    private var handover: String {
        let secret = "Secret \(place(opened.namespace, opened.secretName))"
        let isSameObject = name == opened.name && namespace == opened.namespace
        let spec = document.object.spec
        if isSameObject { return renaming(of: secret, spec) }
        let selector = opened.namespace.map { "-n \($0.shellQuoted) " } ?? ""
        let removal =
            "when Git's tool prunes the old WrappedSecret, or with kubectl delete wrappedsecret \(selector)\(opened.name.shellQuoted)"
        if spec.isMerge {
            return
                "the entries stay in \(secret): creationPolicy Merge removes none when the old WrappedSecret is deleted"
        }
        if spec.isOrphan {
            return
                "\(secret) stays also after the old WrappedSecret is deleted (creationPolicy Orphan); delete it yourself"
        }
        if namespace == opened.namespace, secretName == opened.secretName {
            return
                "\(secret) belongs to the old WrappedSecret, and the new one cannot write it before (OwnedByAnother); it is "
                + "deleted and created again \(removal)"
        }
        return "\(secret) stays until its WrappedSecret is deleted: \(removal)"
    }

    /// Describes the effect of another `spec.template.metadata.name` alone, when the file is applied.
    private func renaming(of secret: String, _ spec: WrappedSecretSpec) -> String {
        if spec.isMerge {
            return
                "the controller adds the entries to Secret \(secretName), and then removes them from \(secret), when the file is "
                + "applied; Secret \(secretName) has to allow it (\(OwnershipMetadata.allowAnnotation)=merge)"
        }
        let rest = spec.isOrphan ? "\(secret) stays (creationPolicy Orphan)" : "then deletes \(secret)"
        return "the controller creates Secret \(secretName), and \(rest), when the file is applied"
    }

    private var providerNote: String? {
        guard let keyRef = document.object.spec.keyRef, keyRef.kind == KeyProvider.resource.kind,
            let namespace, namespace != opened.namespace
        else { return nil }
        return
            "spec.keyRef names KeyProvider \(keyRef.name), which now is that of namespace \(namespace); the values are wrapped "
            + "for the keys that the WrappedSecret has: rewrap it if that provider has another key"
    }

    private var serverMetadataNote: String? {
        let fields = ManifestFields.serverManagedMetadata.filter {
            document.node["metadata"]?[$0]?.isNull == false
        }
        guard !fields.isEmpty else { return nil }
        return
            "\(document.location): metadata.\(fields.joined(separator: ", metadata.")) belong to the old object; remove them"
    }
}
