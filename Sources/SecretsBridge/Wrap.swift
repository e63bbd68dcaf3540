import ArgumentParser
import CLI
import Cryptography
import Envelope
import KMS
import System

extension Scope: ExpressibleByArgument {}

struct Wrap: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encrypt Secrets into WrappedSecrets.",
        discussion: """
            Reads one or more Secret manifests (YAML or JSON) and writes WrappedSecret manifests, which may be committed. \
            Nothing is written unless all of them succeed. The rule of .secrets-bridge.yaml for --output-file, or without it \
            for the file that is read, gives namespace, scope, recipients, provider and labels; options override it.

              secrets-bridge wrap -n payments secret.yaml -w wrapped.yaml
              secrets-bridge wrap -n payments --name db --from-file tls.key
              secrets-bridge wrap -n payments --name db --from-env-file .env -o json
              secrets-bridge wrap -n payments --name web --tls-cert tls.crt --tls-key tls.key
              secrets-bridge wrap -n payments --name pull --docker-server ghcr.io --docker-username app
              secrets-bridge wrap -n payments --key-ref KeyProvider/own secret.yaml
              secrets-bridge wrap -n payments --template app.conf=app.conf.tmpl secret.yaml

            With --recipient, the public keys in these files wrap, and nothing else: no KMS, no settings and no network are \
            needed. --key-ref then only names the provider in the WrappedSecrets.

              secrets-bridge wrap -n payments --recipient keys/production.yaml secret.yaml
            """)

    @OptionGroup var manifest: ManifestOptions

    @Option(
        help: """
            The binding of the ciphertext: strict (to namespace and name), namespace, or cluster (to neither; the controller \
            must allow it). (default: strict)
            """)
    var scope: Scope?

    @Option(help: "Create a Secret with this name from the --from options, instead of reading manifests.")
    var name: String?

    @Option(help: "The type of the Secret that --name creates.")
    var type: String?

    @OptionGroup var entries: EntryOptions

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Render this file, with references such as {{ .password }}, into a key of the Secret. May be repeated.",
            valueName: "key=file"),
        completion: .file())
    var template: [String] = []

    @OptionGroup var metadata: SecretMetadataOptions

    @OptionGroup var recipients: RecipientOptions

    @OptionGroup var provider: KeyRefOptions

    @OptionGroup var cluster: ClusterAccess

    @OptionGroup var rules: RulesOptions

    func validate() throws {
        try provider.check(hasRules: hasRules)
        if name == nil, !entries.isEmpty || type != nil {
            throw ValidationError(
                "--from-literal, --from-file, --from-env-file, --docker-username, --tls-cert and --type need --name"
            )
        }
        if name != nil, !manifest.paths.isEmpty {
            throw ValidationError(
                "--name creates a Secret from the --from options; leave out --filename and other arguments")
        }
        if name != nil, entries.isEmpty {
            throw ValidationError(
                "--name needs --from-literal, --from-file, --from-env-file, --docker-username or --tls-cert")
        }
        if let name { try check(name) }
        try provider.check(with: recipients)
        let manifests = name == nil && manifest.paths.isEmpty ? ["-"] : manifest.paths
        try checkStandardInputIsReadOnce(
            manifests + template.map(pathOfFileOption) + entries.fromFile.map(pathOfFileOption)
                + entries.fromEnvFile)
    }

    /// Rejects invalid arguments before any file is read.
    private func check(_ name: String) throws {
        if (try? EnvelopeValidation.check(secretName: name)) == nil {
            throw ValidationError(
                "--name \(name.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)")
        }
        let scope = scope ?? .strict
        if manifest.namespace == nil, scope != .cluster, !hasRules {
            throw ValidationError(
                "--name needs --namespace: scope \(scope.rawValue) binds the ciphertext to it")
        }
    }

    func run() async throws {
        let output = try manifest.outputFile.open(.byUmask)
        let factory = WrapperFactory(
            namespace: manifest.namespace, scope: scope, provider: provider, cluster: cluster, rules: rules,
            recipients: recipients)
        // Errors of the settings are reported before a manifest is read.
        var wrappers: [SecretWrapper] = []
        for path in rulePaths { wrappers.append(try await factory.wrapper(for: path)) }
        var prepared: [(wrapper: SecretWrapper, secret: SecretWrapper.Prepared)] = []
        for (wrapper, secrets) in zip(wrappers, try completeSecrets()) {
            for secret in secrets { prepared.append((wrapper, try wrapper.prepare(secret))) }
        }
        try SecretWrapper.checkNames(of: prepared.map(\.secret))
        var outputs: [SecretWrapper.Output] = []
        for (wrapper, secret) in prepared { outputs.append(try await wrapper.seal(secret)) }
        outputs.flatMap(\.notes).forEach(Console.note)
        try output.write(wrappedSecrets: outputs.map(\.manifest), as: manifest.output)
    }

    /// The path that the rule is for, for each file that is read.
    private var rulePaths: [String?] {
        let count = name == nil ? max(manifest.paths.count, 1) : 1
        if let output = manifest.outputFile.rulePath { return Array(repeating: output, count: count) }
        return manifest.paths.isEmpty ? [nil] : manifest.paths
    }

    private var hasRules: Bool {
        let book = rules.book()
        return rulePaths.contains { book.hasRulesFile(for: $0) }
    }

    /// Returns the Secrets of each file with the properties and templates of the options.
    private func completeSecrets() throws -> [[SecretInput]] {
        let files = try templatedSecrets()
        var changed = try metadata.overrides().applied(to: files.flatMap(\.self))[...]
        return files.map { file in
            defer { changed = changed.dropFirst(file.count) }
            return Array(changed.prefix(file.count))
        }
    }

    /// Returns the Secrets of each file with the templates of the options.
    private func templatedSecrets() throws -> [[SecretInput]] {
        var files = try secrets()
        guard !template.isEmpty else { return files }
        let count = files.reduce(0) { $0 + $1.count }
        guard count == 1, let file = files.firstIndex(where: { !$0.isEmpty }) else {
            throw CommandError("--template needs one Secret, and \(count) were read; wrap it alone")
        }
        for argument in template {
            let (key, text) = try SecretArguments.template(argument)
            guard files[file][0].templates.updateValue(text, forKey: key) == nil else {
                throw CommandError("--template: the key \(key) is given twice")
            }
        }
        return files
    }

    /// Returns the Secrets of each file, or the one that the options create.
    private func secrets() throws -> [[SecretInput]] {
        guard let name else {
            return try manifest.readAll().map { file in
                try SecretManifestReader.secrets(in: file.contents.bytes, source: file.source)
            }
        }
        return [[try entries.read().secret(name: name, namespace: manifest.namespace, type: type)]]
    }
}
