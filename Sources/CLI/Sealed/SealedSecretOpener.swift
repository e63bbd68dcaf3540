import Cryptography
import Envelope

/// Opens SealedSecrets with the keys of their controller.
struct SealedSecretOpener: Sendable {
    let keys: SealingKeys
    /// Of documents that say none.
    let namespace: String?

    /// The Secret that the controller makes of it.
    ///
    /// Errors: none of the keys opens a value, it is damaged, or made of templates. One line for all of its entries.
    func open(_ document: SealedSecretDocument) throws(InputError) -> SecretInput {
        var secret = document.secret
        secret.namespace = try namespace(of: document)
        try ObjectNames.check(namespace: secret.namespace, name: secret.name, secret.source)
        let name = "SealedSecret \(secret.namespace.map { "\($0)/" } ?? "")\(secret.name)"
        if let place = document.templatedDataLocation {
            let wanted = "secrets-bridge import -n \(secret.namespace ?? "NAMESPACE") \(secret.name)"
            throw InputError(
                place,
                "\(name) makes values of Go templates (spec.template.data), which are not read here; leave it out, and take the "
                    + "Secret that the cluster made of it: \(wanted)")
        }
        if let blob = document.sealedManifest { return try open(blob, document, secret, name) }
        var closed: [SealedValue] = []
        for (entry, value) in document.values {
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
            throw InputError(
                secret.source,
                "metadata.namespace is \(own), --namespace says \(namespace); make them equal or leave one out"
            )
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

    /// The Secret inside has its own metadata; where it is made is said by the SealedSecret.
    private func open(
        _ blob: SealedValue, _ document: SealedSecretDocument, _ secret: SecretInput, _ name: String
    ) throws(InputError) -> SecretInput {
        let contents: SharedSecret
        do throws(SealedValue.OpenError) {
            contents = try blob.open(label: label(document.scope, secret), keys: keys.keys)
        } catch .noMatchingKey {
            throw refusal([blob], document, secret, name)
        } catch {
            throw damage(error, blob, name)
        }
        do throws(InputError) {
            let inside = try SecretManifestReader.secrets(in: contents.bytes, source: blob.location)
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
            // What is inside is not quoted.
            throw InputError(blob.location, "\(blob.field) of \(name) opens, but it is no Secret in JSON")
        }
    }

    private func refusal(
        _ closed: [SealedValue], _ document: SealedSecretDocument, _ secret: SecretInput, _ name: String
    ) -> InputError {
        let fields = Self.list(closed.map(\.field))
        if let scope = otherScope(of: closed[0], document, secret) {
            return InputError(
                closed[0].location,
                "\(fields) of \(name) opens as \(scope.sealedSecretsName), and the SealedSecret says "
                    + "\(document.scope.sealedSecretsName); \(scope.sealedSecretsRemedy)")
        }
        let count = keys.keys.count
        let tried = count == 1 ? "the key does not open" : "none of the \(count) keys opens"
        return InputError(
            closed[0].location,
            "\(tried) \(fields) of \(name); most likely the key is another cluster's or a renewed one that is missing "
                + "(\(SealingKeys.exportCommand) prints all), or it was sealed for another namespace or name (write back the "
                + "old ones)")
    }

    private static func list(_ fields: [String]) -> String {
        let shown = fields.prefix(3).joined(separator: ", ")
        return fields.count > 3 ? "\(shown) and \(fields.count - 3) more" : shown
    }

    /// The scope by which it opens after all.
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
        let what =
            switch failure {
            case .truncated: "is cut short; take it from an earlier commit"
            case .corrupted, .noMatchingKey: "was changed after it was sealed; take it from an earlier commit"
            case .libcrypto(let error): "cannot be opened: \(error)"
            }
        return InputError(value.location, "\(value.field) of \(name) \(what)")
    }
}
