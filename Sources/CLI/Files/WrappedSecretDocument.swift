import Cryptography
import Envelope
import JSON
import KubeClient
package import Resources
package import YAML

/// A WrappedSecret in a file: what it says, and where it says so.
package struct WrappedSecretDocument: Sendable {
    /// `FILE:LINE:COLUMN`
    package let location: String
    /// The file, as messages name it.
    let source: String
    package let node: YAMLNode
    package let object: WrappedSecret

    /// Errors: not a WrappedSecret, or malformed.
    init(_ node: YAMLNode, source: String) throws(InputError) {
        location = node.range.location(in: source)
        self.source = source
        self.node = node
        // Before they are decoded, which would quote a key: it may be a value that was typed in the wrong way.
        let data = Self.isWrappedSecret(node) ? node["spec"]?["data"] : nil
        for entry in data?.entries ?? [] { try ManifestFields.checkEntry(entry, source) }
        let kind = node["kind"]?.string ?? ""
        let version = node["apiVersion"]?.string ?? ""
        guard kind == WrappedSecret.resource.kind, version == WrappedSecret.resource.apiVersion else {
            throw InputError(
                location,
                "found \(describeKind(kind: kind, version)); kind: \(WrappedSecret.resource.kind), "
                    + "apiVersion: \(WrappedSecret.resource.apiVersion) are expected")
        }
        let read = JSONWriter.write(node).withUnsafeBytes { json in
            Result { () throws(JSONError) in try JSONReader.read(WrappedSecret.self, from: json) }
        }
        do {
            var object = try read.get()
            // As the API server has it: empty is absent.
            if object.metadata.namespace == "" { object.metadata.namespace = nil }
            self.object = object
        } catch {
            throw InputError(location, "the WrappedSecret is malformed: \(error)")
        }
    }

    /// Of our kind and group. One of a version that there is not is nobody else's: it is not passed over.
    static func isWrappedSecret(_ node: YAMLNode) -> Bool {
        node["kind"]?.string == WrappedSecret.resource.kind
            && node["apiVersion"]?.string?.hasPrefix("\(WrappedSecret.resource.group)/") == true
    }

    /// As one of several is named.
    package var qualifiedName: String {
        (object.metadata.namespace.map { "\($0)/" } ?? "") + object.metadata.name
    }

    /// The object in its namespace: the one that it says, or the one that is `given`.
    ///
    /// Errors: they differ, or the scope needs one and there is none.
    package func object(namespace given: String?) throws(InputError) -> WrappedSecret {
        var object = object
        if let given {
            if let own = object.metadata.namespace, own != given {
                throw InputError(
                    location,
                    "metadata.namespace is \(own), --namespace says \(given); make them equal or leave one out"
                )
            }
            object.metadata.namespace = given
        }
        guard object.metadata.namespace != nil || object.spec.envelope.scope == Scope.cluster.rawValue else {
            throw InputError(
                location, "WrappedSecret \(object.metadata.name) has no namespace; give --namespace")
        }
        return object
    }
}
