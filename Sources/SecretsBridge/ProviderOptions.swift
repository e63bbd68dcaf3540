import ArgumentParser
import CLI
import Envelope
import KMS
import KubeClient
import Resources
import Settings

/// The keys of providers, which are used with the credentials of the user.
struct ProviderOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            """
            Use the keys of the ClusterKeyProviders and KeyProviders in this file too, with your own credentials, which are \
            sent only to servers that your own settings name, or to the cloud's. May be repeated.
            """,
            valueName: "file"),
        completion: .file())
    var providerFile: [String] = []

    /// Returns the keys of the settings and of the files. Without `SB_KMS_BACKEND`, those of the files alone.
    ///
    /// - Parameter namespace: The namespace of KeyProviders that have none.
    func keys(namespace: String? = nil) throws -> KeyRing {
        guard !providerFile.isEmpty else { return try loadKeys() }
        let own = Environment.process.value("SB_KMS_BACKEND") == nil ? nil : try loadKeys()
        return try KeyRing.of(try manifests(namespace), own: own, factory: Self.factory)
    }

    func manifests(_ namespace: String?) throws(InputError) -> ProviderManifests {
        var manifests = ProviderManifests()
        for file in providerFile { try manifests.add(file: file, namespace: namespace) }
        return manifests
    }

    static var factory: KeyProviderFactory { KeyProviderFactory(from: .process, for: .commandLine) }
}

/// The provider that wraps and that the WrappedSecret refers to.
struct KeyRefOptions: ParsableArguments {
    @OptionGroup var providers: ProviderOptions

    @Option(
        help: ArgumentHelp(
            """
            Wrap for this provider, which the WrappedSecrets then refer to: KeyProvider/NAME or ClusterKeyProvider/NAME. It \
            is read from --provider-file, or else from the cluster.
            """, valueName: "kind/name"),
        transform: parseKeyRef)
    var keyRef: WrappedSecretSpec.KeyRef?

    func validate() throws {
        if let keyRef, keyRef.name.isEmpty { throw ValidationError("--key-ref needs a name") }
    }

    /// Rejects options that have no effect with recipient files.
    func check(with recipients: RecipientOptions) throws {
        guard !recipients.files.isEmpty, !providers.providerFile.isEmpty else { return }
        throw ValidationError("--recipient wraps without the provider; leave out --provider-file")
    }

    /// Requires that a provider wraps if there are files of providers.
    ///
    /// - Parameter hasRules: True if a rule may name the provider.
    func check(hasRules: @autoclosure () -> Bool) throws {
        if keyRef == nil, !providers.providerFile.isEmpty, !hasRules() {
            throw ValidationError("--provider-file needs --key-ref, the provider that wraps")
        }
    }

    /// Returns the keys to wrap with.
    ///
    /// - Parameters:
    ///   - keyRef: The provider of the flag or of a rule, or nil for the keys of the settings.
    ///   - namespace: The namespace of the WrappedSecrets, which a KeyProvider is in.
    ///   - addsOwn: Adds the keys of the settings, if there are any, as further recipients beside the provider's.
    func keys(
        _ keyRef: WrappedSecretSpec.KeyRef?, namespace: String?, addsOwn: Bool = false,
        _ cluster: ClusterAccess
    ) async throws -> KeyRing {
        guard let keyRef else { return try loadKeys() }
        if keyRef.kind == KeyProvider.resource.kind, namespace == nil {
            throw CommandError(
                "--key-ref KeyProvider/\(keyRef.name) needs --namespace, the namespace of the provider")
        }
        let provider = ProviderRef(keyRef, namespace: namespace ?? "")
        var manifests = try providers.manifests(namespace)
        if providers.providerFile.isEmpty {
            try await manifests.add(provider, from: try cluster.client())
        }
        let ring = try KeyRing.of(manifests, selected: provider, own: nil, factory: ProviderOptions.factory)
        guard addsOwn, Environment.process.value("SB_KMS_BACKEND") != nil else { return ring }
        let own = try loadKeys()
        let wrapping = own.all.indices.filter { own.wrappingKeyIndex(for: $0) == $0 }.map { own.all[$0] }
        return KeyRing(primary: ring.primary, providerKeys: wrapping)
    }
}

/// Parses KIND/NAME.
@Sendable private func parseKeyRef(_ text: String) throws -> WrappedSecretSpec.KeyRef {
    guard let keyRef = WrappedSecretSpec.KeyRef(text: text) else {
        throw ValidationError(
            "--key-ref \(text.debugDescription) is not KeyProvider/NAME or ClusterKeyProvider/NAME")
    }
    return keyRef
}
