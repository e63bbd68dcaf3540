package import Envelope
import KubeClient
import Resources

/// A WrappedSecret of a file with its decrypted values.
package struct OpenedDocument: Sendable {
    let file: WrappedSecretFile
    /// The index in `file.documents`.
    let index: Int
    let desiredSecret: DesiredSecret
    package let namespace: String?
    /// The entries in byte order of their names.
    package let entries: [SecretEntry]

    /// Decrypts the WrappedSecret with this name and namespace.
    ///
    /// - Parameter rule: The rule for the file, which the edit follows.
    /// - Throws: `InputError` if it cannot be found, read or decrypted.
    package init(
        _ file: WrappedSecretFile, named name: String?, namespace: String?, with keys: KeyRing,
        rule: Rule? = nil
    ) async throws(InputError) {
        try await self.init(
            file, at: try file.index(named: name, namespace: namespace), namespace: namespace, with: keys,
            rule: rule)
    }

    /// Decrypts the WrappedSecret with this name and namespace, which a move takes to another place.
    ///
    /// - Parameter rule: The rule for the file that it leaves. Only its namespace matters, which is the default.
    package init(
        moving file: WrappedSecretFile, named name: String?, namespace: String?, with keys: KeyRing,
        rule: Rule?
    ) async throws(InputError) {
        let index = try file.index(
            named: name, namespace: namespace, options: "--from-name and --from-namespace")
        try await self.init(file, at: index, namespace: namespace, with: keys, defaults: rule)
    }

    /// Decrypts the WrappedSecret at an index of `file.documents`.
    ///
    /// - Parameters:
    ///   - rule: The rule for the file. Its namespace is the default.
    ///   - defaults: A rule of which only the namespace matters.
    /// - Throws: `InputError` also if scope or namespace break the rule, which an edit cannot change.
    init(
        _ file: WrappedSecretFile, at index: Int, namespace: String?, with keys: KeyRing, rule: Rule? = nil,
        defaults: Rule? = nil
    ) async throws(InputError) {
        self.file = file
        self.index = index
        let document = file.documents[index]
        let object = try document.object(namespace: namespace, rule: rule ?? defaults)
        self.namespace = object.metadata.namespace
        if let rule {
            let violations = RuleEnforcement.bindingViolations(
                of: object.spec.envelope.scope, namespace: object.metadata.namespace, by: rule)
            if let violation = violations.first {
                throw InputError(document.location, "\(violation), or give --rules none")
            }
        }
        do {
            desiredSecret = try DesiredSecret(object)
            entries = try await object.sealedEnvelope().open(with: keys).entries
        } catch {
            throw InputError(document.location, "\(error)")
        }
    }

    /// Returns the entries and the keys that templates render, as they are in the Secret.
    func secretEntries() throws(InputError) -> [SecretEntry] {
        do throws(SpecError) {
            return try desiredSecret.templates.rendered(with: entries)
        } catch {
            throw InputError(location, error.description)
        }
    }

    package var name: String { file.documents[index].object.metadata.name }
    package var secretName: String { desiredSecret.name }
    var location: String { file.documents[index].location }
}
