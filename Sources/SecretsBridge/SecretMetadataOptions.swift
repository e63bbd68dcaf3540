import ArgumentParser
import CLI
import Envelope

/// Properties of the Secret and of its WrappedSecret, beside those of a manifest.
struct SecretMetadataOptions: ParsableArguments {
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A label of the Secret, in place of one that the manifest has. May be repeated.",
            valueName: "key=value"))
    var label: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "An annotation of the Secret, in place of one that the manifest has. May be repeated.",
            valueName: "key=value"))
    var annotation: [String] = []

    @Option(
        help: ArgumentHelp(
            "The name of the Secret, if it differs from that of the WrappedSecret (spec.template.metadata.name).",
            valueName: "name"))
    var secretName: String?

    @Option(
        help: """
            spec.creationPolicy: Owner (the Secret is deleted with the WrappedSecret), Orphan (it stays), or Merge (entries are \
            added to a Secret of another owner).
            """)
    var creationPolicy: CreationPolicy?

    @Flag(help: "Make the Secret immutable.")
    var immutable = false

    enum CreationPolicy: String, ExpressibleByArgument, CaseIterable {
        case owner = "Owner"
        case orphan = "Orphan"
        case merge = "Merge"
    }

    func validate() throws {
        if let secretName, (try? EnvelopeValidation.check(secretName: secretName)) == nil {
            throw ValidationError(
                "--secret-name \(secretName.debugDescription) is not a Secret's name (1 to 253 of a-z 0-9 - .)"
            )
        }
        do throws(InputError) {
            _ = try overrides()
        } catch {
            throw ValidationError(error.description)
        }
    }

    func overrides() throws(InputError) -> SecretOverrides {
        var overrides = SecretOverrides()
        overrides.labels = try SecretOverrides.pairs(label, option: "--label")
        overrides.annotations = try SecretOverrides.pairs(annotation, option: "--annotation")
        overrides.secretName = secretName
        overrides.creationPolicy = creationPolicy?.rawValue
        overrides.isImmutable = immutable
        return overrides
    }
}
