/// A command as its arguments are completed: the part of what `--experimental-dump-help` tells that matters for it.
package struct CommandInfo: Decodable, Sendable {
    package struct Argument: Decodable, Sendable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            enum Kind: String, Decodable { case long, short, longWithSingleDash }

            let kind: Kind
            let name: String

            /// As it is typed.
            var spelling: String { kind == .long ? "--\(name)" : "-\(name)" }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let isRepeating: Bool
        let names: [Name]?
        let abstract: String?
        let completionKind: Completion?
    }

    /// Where values come from.
    enum Completion: Decodable {
        case list(values: [String])
        case file(extensions: [String])
        case directory
        case shellCommand(command: String)
        /// The program itself is asked.
        case custom
    }

    let commandName: String
    let abstract: String?
    let arguments: [Argument]
    let subcommands: [CommandInfo]

    private enum CodingKeys: String, CodingKey { case commandName, abstract, arguments, subcommands }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        commandName = try container.decode(String.self, forKey: .commandName)
        abstract = try container.decodeIfPresent(String.self, forKey: .abstract)
        // What is empty is left out.
        let all = try container.decodeIfPresent([Argument].self, forKey: .arguments) ?? []
        arguments = all.filter(\.shouldDisplay)
        subcommands = try container.decodeIfPresent([CommandInfo].self, forKey: .subcommands) ?? []
    }

    func subcommand(_ name: String) -> CommandInfo? { subcommands.first { $0.commandName == name } }

    func argument(named text: some StringProtocol) -> Argument? {
        arguments.first { $0.names?.contains { $0.spelling == text } == true }
    }

    /// The positional argument with that many before it.
    func positional(_ index: Int) -> Argument? {
        let all = arguments.filter { $0.kind == .positional }
        if index < all.count { return all[index] }
        return all.last.flatMap { $0.isRepeating ? $0 : nil }
    }
}
