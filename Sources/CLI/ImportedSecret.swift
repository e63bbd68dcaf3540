package import YAML

/// A WrappedSecret that was made of what is there already.
package struct ImportedSecret: Sendable {
    /// nil: its scope needs none, and nobody said one.
    package let namespace: String?
    package let name: String
    /// Where it came from, for messages.
    package let source: String
    package let manifest: YAMLValue
    /// What a person should know, one line each.
    package let notes: [String]

    /// Its file below a folder of many.
    package var path: String { (namespace.map { "\($0)/" } ?? "") + "\(name).yaml" }

    /// Two that would be one file.
    package static func clash(in secrets: [ImportedSecret]) -> InputError? {
        var seen: [String: ImportedSecret] = [:]
        for secret in secrets {
            if let other = seen.updateValue(secret, forKey: secret.path) {
                return InputError(
                    "\(secret.source): \(secret.path) is made of \(other.source) too; leave one out, or write them to "
                        + "different folders")
            }
        }
        return nil
    }
}
