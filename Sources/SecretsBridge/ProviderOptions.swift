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
            sent to the addresses in the file. May be repeated.
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
        if keyRef == nil, !providers.providerFile.isEmpty {
            throw ValidationError("--provider-file needs --key-ref, the provider that wraps")
        }
        if let keyRef, keyRef.name.isEmpty { throw ValidationError("--key-ref needs a name") }
    }

    /// Rejects options that have no effect with recipient files.
    func check(with recipients: RecipientOptions) throws {
        guard !recipients.files.isEmpty, !providers.providerFile.isEmpty else { return }
        throw ValidationError("--recipient wraps without the provider; leave out --provider-file")
    }

    /// - Parameter namespace: The namespace of the WrappedSecrets, which a KeyProvider is in.
    func keys(namespace: String?, _ cluster: ClusterAccess) async throws -> KeyRing {
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
        return try KeyRing.of(manifests, selected: provider, own: nil, factory: ProviderOptions.factory)
    }
}

/// Parses KIND/NAME.
@Sendable private func parseKeyRef(_ text: String) throws -> WrappedSecretSpec.KeyRef {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, EnvelopeValidation.isDNSSubdomain(parts[1]),
        let kind = [KeyProvider.resource.kind, ClusterKeyProvider.resource.kind].first(where: {
            $0.lowercased() == parts[0].lowercased()
        })
    else {
        throw ValidationError(
            "--key-ref \(text.debugDescription) is not KeyProvider/NAME or ClusterKeyProvider/NAME")
    }
    return WrappedSecretSpec.KeyRef(kind: kind, name: parts[1])
}
