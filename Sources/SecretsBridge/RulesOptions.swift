import ArgumentParser
import CLI
import Settings

/// The rules that a command follows.
struct RulesOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Follow the rules of this file, instead of the nearest .secrets-bridge.yaml in the folder of the manifest or above \
            it; none follows no rules.
            """, valueName: "file|none"),
        completion: .file(extensions: ["yaml", "yml"]))
    var rules: String?

    func validate() throws {
        if rules == "" { throw ValidationError("--rules is empty; give the path of a rules file, or none") }
    }

    func book() -> RuleBook {
        switch rules {
        case nil: RuleBook(.nearest(home: Environment.process.value("HOME")))
        case "none"?: RuleBook(.none)
        case let file?: RuleBook(.file(file))
        }
    }
}
