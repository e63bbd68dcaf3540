import Cryptography
import Envelope
import System

/// Unseals SealedSecrets with the private keys of their controller.
struct SealedSecretOpener: Sendable {
    let keys: SealingKeys
    /// The namespace of SealedSecrets that have none.
    let namespace: String?

    /// The number of values that are tried if none opens.
    private static let maximumFailures = 8

    /// Returns the Secret that the sealed-secrets controller would create.
    ///
    /// - Throws: `InputError` with one line for all entries, if no key unseals a value, or if the SealedSecret is
    ///   corrupted or has templates that a WrappedSecret cannot have.
    func open(_ document: SealedSecretDocument) throws(InputError) -> SecretInput {
        var secret = document.secret
        secret.namespace = try namespace(of: document)
        try ObjectNames.check(namespace: secret.namespace, name: secret.name, secret.source)
        let name = "SealedSecret \(secret.namespace.map { "\($0)/" } ?? "")\(secret.name)"
        // sealed-secrets renders no templates beside a whole sealed manifest.
        if let manifest = document.sealedManifest { return try open(manifest, document, secret, name) }
        let command = "secrets-bridge import -n \(secret.namespace ?? "NAMESPACE") \(secret.name)"
        secret.templates = try document.translatedTemplates(
            name, remedy: "leave it out, and import its Secret from the cluster: \(command)")
        var closed: [SealedValue] = []
        for (entry, value) in document.values {
            // Most likely the keys are those of another cluster, and each attempt is a computation with a private key.
            guard closed.count < Self.maximumFailures || !secret.entries.isEmpty else {
                closed.append(value)
                continue
            }
            do throws(SealedValue.OpenError) {
                secret.entries.append(
                    SecretEntry(
                        name: entry,
                        value: try value.open(label: label(document.scope, secret), keys: keys.keys)))
            } catch .noMatchingKey {
                closed.append(value)
            } catch {
                throw damage(error, value, name)
            }
        }
        guard closed.isEmpty else { throw refusal(closed, document, secret, name) }
        secret.entries.sort { $0.name < $1.name }
        return secret
    }

    private func namespace(of document: SealedSecretDocument) throws(InputError) -> String? {
        let secret = document.secret
        if let namespace, let own = secret.namespace, own != namespace {
            throw InputError(secret.source, namespace: own, given: namespace)
        }
        let found = secret.namespace ?? namespace
        guard found != nil || document.scope == .cluster else {
            throw InputError(
                secret.source,
                "SealedSecret \(secret.name) has no namespace, and its values are sealed for one; give --namespace"
            )
        }
        return found
    }

    private func label(_ scope: Scope, _ secret: SecretInput) -> [UInt8] {
        scope.oaepLabel(namespace: secret.namespace ?? "", name: secret.name)
    }

    /// Unseals a whole manifest. Its metadata is its own, except that the SealedSecret determines name and namespace.
    private func open(
        _ manifest: SealedValue, _ document: SealedSecretDocument, _ secret: SecretInput, _ name: String
    ) throws(InputError) -> SecretInput {
        let contents: SharedSecret
        do throws(SealedValue.OpenError) {
            contents = try manifest.open(label: label(document.scope, secret), keys: keys.keys)
        } catch .noMatchingKey {
            throw refusal([manifest], document, secret, name)
        } catch {
            throw damage(error, manifest, name)
        }
        do throws(InputError) {
            let inside = try SecretManifestReader.secrets(in: contents.bytes, source: manifest.location)
            guard var inside = inside.first else { throw InputError("") }
            (inside.name, inside.namespace, inside.source) = (secret.name, secret.namespace, secret.source)
            (inside.wrappedSecretLabels, inside.wrappedSecretAnnotations) = (
                secret.wrappedSecretLabels, secret.wrappedSecretAnnotations
            )
            inside.annotations = inside.annotations.filter {
                !SealedSecretDocument.isSealedSecretsAnnotation($0.key)
            }
            return inside
        } catch {
            // The contents are secret and not quoted.
            throw InputError(
                manifest.location, "\(manifest.field) of \(name) opens, but does not contain a Secret in JSON"
            )
        }
    }

    private func refusal(
        _ closed: [SealedValue], _ document: SealedSecretDocument, _ secret: SecretInput, _ name: String
    ) -> InputError {
        let fields = closed.map(\.field).listed(limit: 3)
        if let scope = otherScope(of: closed[0], document, secret) {
            return InputError(
                closed[0].location,
                "\(fields) of \(name) opens as \(scope.sealedSecretsName), but the SealedSecret is "
                    + "\(document.scope.sealedSecretsName); \(scope.sealedSecretsRemedy)")
        }
        let count = keys.keys.count
        let tried = count == 1 ? "the key does not open" : "none of the \(count) keys opens"
        return InputError(
            closed[0].location,
            "\(tried) \(fields) of \(name); most likely the key is of another cluster, or a renewed key is missing "
                + "(\(SealingKeys.exportCommand) prints all), or it was sealed for another namespace or name (restore the "
                + "old ones)")
    }

    /// Returns another scope with which the value opens.
    private func otherScope(
        of value: SealedValue, _ document: SealedSecretDocument, _ secret: SecretInput
    ) -> Scope? {
        Scope.allCases.first { scope in
            guard scope != document.scope, scope == .cluster || secret.namespace != nil else { return false }
            return (try? value.open(label: label(scope, secret), keys: keys.keys)) != nil
        }
    }

    private func damage(_ failure: SealedValue.OpenError, _ value: SealedValue, _ name: String) -> InputError
    {
        let problem =
            switch failure {
            case .truncated: "is truncated; restore it from an earlier commit"
            case .corrupted, .noMatchingKey:
                "was changed after it was sealed; restore it from an earlier commit"
            case .libcrypto(let error): "cannot be opened: \(error)"
            }
        return InputError(value.location, "\(value.field) of \(name) \(problem)")
    }
}

/// Scopes as sealed-secrets defines them.
extension Scope {
    private static let clusterWide = "sealedsecrets.bitnami.com/cluster-wide"
    private static let namespaceWide = "sealedsecrets.bitnami.com/namespace-wide"

    /// Reads the scope from a SealedSecret's own annotations. The wider one wins.
    init(sealedSecretAnnotations annotations: [String: String]) {
        if annotations[Self.clusterWide] == "true" {
            self = .cluster
        } else if annotations[Self.namespaceWide] == "true" {
            self = .namespace
        } else {
            self = .strict
        }
    }

    /// The annotations that give a SealedSecret this scope.
    var sealedSecretsRemedy: String {
        switch self {
        case .strict: "remove the annotations \(Self.clusterWide) and \(Self.namespaceWide)"
        case .namespace:
            "annotate the SealedSecret \(Self.namespaceWide): \"true\", and not \(Self.clusterWide)"
        case .cluster: "annotate the SealedSecret \(Self.clusterWide): \"true\""
        }
    }

    var sealedSecretsName: String {
        switch self {
        case .strict: "strict"
        case .namespace: "namespace-wide"
        case .cluster: "cluster-wide"
        }
    }

    func oaepLabel(namespace: String, name: String) -> [UInt8] {
        switch self {
        case .strict: Array("\(namespace)/\(name)".utf8)
        case .namespace: Array(namespace.utf8)
        case .cluster: []
        }
    }
}
