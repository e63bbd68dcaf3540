package import Cryptography
import Envelope
import Resources
import YAML

/// Reads the Secrets in a file that sops decrypted: manifests of Secrets, SopsSecrets of the sops-secrets-operator
/// (isindir), and documents of keys and values.
package struct SopsDocuments: Sendable {
    /// The name of the Secret that a document of keys and values becomes.
    private let name: String?
    private let namespace: String?
    private let type: String?

    /// - Parameter namespace: The namespace of Secrets that have none.
    package init(name: String?, namespace: String?, type: String? = nil) {
        self.name = name
        self.namespace = namespace
        self.type = type
    }

    package struct Contents: Sendable {
        package fileprivate(set) var secrets: [SecretInput] = []
        /// Notes for the user, one line each.
        package fileprivate(set) var notes: [String] = []
        /// The namespace and name of a SopsSecret that owns Secrets in the cluster.
        package fileprivate(set) var owner: (namespace: String?, name: String)?
    }

    /// - Parameter path: The path of the encrypted file.
    package func read(_ decrypted: SharedSecret, path: String) throws(InputError) -> Contents {
        let source = "\(path) (decrypted)"
        var contents = Contents()
        for document in try ManifestFile.documents(in: decrypted.bytes, source: source) {
            guard document["kind"] != nil, document["apiVersion"] != nil else {
                contents.secrets.append(try keyValues(document, path))
                continue
            }
            let kind = document["kind"]?.string == Self.kind ? Self.kind : "Secret"
            guard let objects = ManifestFile.objects(of: document, kind: kind) else {
                throw InputError(document.range.location(in: source), "items is missing or not a list")
            }
            for object in objects { try read(object, source, into: &contents) }
        }
        guard !contents.secrets.isEmpty else {
            throw InputError(
                path, "has neither a Secret, nor a SopsSecret, nor keys and values; give another file")
        }
        contents.secrets = contents.secrets.map { secret in
            var secret = secret
            secret.namespace = secret.namespace ?? namespace
            return secret
        }
        return contents
    }

    private static let kind = "SopsSecret"
    private static let group = "isindir.github.com"

    private func read(
        _ object: YAMLNode, _ source: String, into contents: inout Contents
    ) throws(InputError) {
        let (kind, version) = (object["kind"]?.string ?? "", object["apiVersion"]?.string ?? "")
        switch (kind, version) {
        case ("Secret", "v1"):
            contents.secrets.append(try SecretManifestReader.secret(object, source))
        case (Self.kind, _) where version.hasPrefix("\(Self.group)/"):
            try readSopsSecret(object, source, into: &contents)
        default:
            contents.notes.append(
                "\(object.range.location(in: source)): found \(describeKind(kind, version)), which is skipped"
            )
        }
    }

    /// Reads the Secrets of a SopsSecret, which are in its own namespace.
    private func readSopsSecret(
        _ object: YAMLNode, _ source: String, into contents: inout Contents
    ) throws(InputError) {
        let location = object.range.location(in: source)
        let metadata = object["metadata"]
        let own = try ManifestFields.identifier(metadata?["namespace"], "metadata.namespace", source)
        let templates = object["spec"]?["secretTemplates"] ?? object["spec"]?["secret_templates"]
        guard let templates = templates?.elements, !templates.isEmpty else {
            throw InputError(
                location, "spec.secretTemplates is missing or empty; a SopsSecret lists its Secrets there")
        }
        if object["spec"]?["suspend"]?.bool == true {
            contents.notes.append("\(location): the SopsSecret is suspended; the WrappedSecret is not")
        }
        for (index, template) in templates.enumerated() {
            let field = "spec.secretTemplates[\(index)]"
            let place = template.range.location(in: source)
            guard let name = try ManifestFields.identifier(template["name"], "\(field).name", source) else {
                throw InputError(place, "\(field).name is missing; give the Secret a name")
            }
            var secret = SecretInput(
                name: name, namespace: own,
                type: try ManifestFields.identifier(template["type"], "\(field).type", source), source: place)
            secret.labels = try ManifestFields.stringMap(template["labels"], "\(field).labels", source)
            secret.annotations = try ManifestFields.annotations(
                template["annotations"], "\(field).annotations", source)
            secret.isImmutable = try ManifestFields.bool(template["immutable"], "\(field).immutable", source)
            secret.entries = try SecretManifestReader.readEntries(of: template, source)
            contents.secrets.append(secret)
        }
        if let name = try ManifestFields.identifier(metadata?["name"], "metadata.name", source) {
            contents.owner = contents.owner ?? (own ?? namespace, name)
        }
    }

    /// Reads a document whose keys are the names of entries.
    private func keyValues(_ document: YAMLNode, _ path: String) throws(InputError) -> SecretInput {
        guard let pairs = document.entries else {
            throw InputError(
                path, "is \(document.typeName); keys and values, or a Secret manifest, are expected")
        }
        guard let name else {
            throw InputError(
                path,
                "has keys and values and no kind; give --namespace and --name, the Secret that they become")
        }
        var secret = SecretInput(name: name, namespace: namespace, type: type, source: path)
        for pair in pairs {
            // The names of keys are not encrypted in the file.
            do throws(EnvelopeError) {
                try EnvelopeValidation.check(entry: pair.key)
            } catch {
                throw InputError(
                    path,
                    "\(quoted(pair.key)) is not the name of an entry (1 to 253 of A-Z a-z 0-9 - _ .); rename it with sops edit"
                )
            }
            secret.entries.append(
                SecretEntry(name: pair.key, value: try Self.value(of: pair.value, at: pair.key, path)))
        }
        secret.entries.sort { $0.name < $1.name }
        return secret
    }

    /// - Throws: `InputError` if the value is not a string. SOPS has read a number already, and may have changed its text:
    ///   0123 is 83, and 1.10 is 1.1.
    private static func value(
        of node: YAMLNode, at key: String, _ path: String
    ) throws(InputError) -> SharedSecret {
        if let scalar = node.scalar {
            guard scalar.valueType != .string else { return scalar.bytes }
            throw InputError(
                path,
                "\(quoted(key)) is \(node.typeName), and a Secret's values are strings; put quotes around it with sops edit"
            )
        }
        throw InputError(
            path,
            "\(quoted(innerPath(of: node, at: key))) is nested in \(quoted(key)), and a Secret has one level of names; move it to "
                + "the top with sops edit, or import the file as the value of one entry: sops -d \(path.shellQuotedPath) | "
                + "secrets-bridge wrap -n NAMESPACE --name NAME --from-file ENTRY=/dev/stdin")
    }

    /// Returns the path of the first key in a nested value: `database.user`, `hosts[0]`.
    private static func innerPath(of node: YAMLNode, at path: String) -> String {
        var (node, path) = (node, path)
        while true {
            if let pair = node.entries?.first {
                (node, path) = (pair.value, "\(path).\(pair.key)")
            } else if let first = node.elements?.first {
                (node, path) = (first, "\(path)[0]")
            } else {
                return path
            }
        }
    }
}
