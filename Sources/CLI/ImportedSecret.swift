package import YAML

/// A WrappedSecret that was made of a Secret or a SealedSecret.
package struct ImportedSecret: Sendable {
    /// nil if its scope needs none, and none was given.
    package let namespace: String?
    package let name: String
    /// Where it came from, for messages.
    package let source: String
    package let manifest: JSONValue
    /// Notes for the user, one line each.
    package let notes: [String]

    /// - Throws: `InputError` if the namespace or the name is not one that Kubernetes allows: they become the path of a
    ///   file and parts of commands that are shown.
    package init(
        namespace: String?, name: String, source: String, manifest: JSONValue, notes: [String]
    ) throws(InputError) {
        try ObjectNames.check(namespace: namespace, name: name, source)
        self.namespace = namespace
        self.name = name
        self.source = source
        self.manifest = manifest
        self.notes = notes
    }

    package var fileName: String { "\(name).yaml" }

    /// Its file below a folder of many.
    package var relativePath: String { (namespace.map { "\($0)/" } ?? "") + fileName }

    /// Reports two that would be one file.
    package static func pathCollision(in secrets: [ImportedSecret]) -> InputError? {
        var seen: [String: ImportedSecret] = [:]
        for secret in secrets {
            if let other = seen.updateValue(secret, forKey: secret.relativePath) {
                return InputError(
                    "\(secret.source): \(secret.relativePath) is made of \(other.source) too; leave one out, or write them to "
                        + "different folders")
            }
        }
        return nil
    }
}
