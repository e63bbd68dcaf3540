import FoundationEssentials

/// Completes command lines for kubectl, which runs a plugin's `kubectl_complete-NAME`.
///
/// Source: kubernetes/sample-cli-plugin, "Shell completion"; github.com/spf13/cobra, ShellCompDirective.
package struct PluginCompletion {
    /// Instructs the shell how to use the candidates. The numbers are cobra's.
    enum Directive: Int {
        /// The shell completes file names itself.
        case files = 0
        /// The candidates are complete. The shell adds no file names.
        case candidates = 4
        /// The candidates are extensions of files. The shell offers folders, too.
        case fileExtensions = 8
        case directories = 16
    }

    private let root: CommandInfo
    private let custom: ([String]) -> [String]

    /// - Parameters:
    ///   - help: The JSON that `--experimental-dump-help` prints.
    ///   - custom: Returns the values of an option that only the program knows, for the words typed so far.
    /// - Throws: `DecodingError` if `help` is not such JSON.
    package init(help: String, custom: @escaping ([String]) -> [String]) throws {
        struct Tool: Decodable { let command: CommandInfo }
        root = try JSONDecoder().decode(Tool.self, from: Data(help.utf8)).command
        self.custom = custom
    }

    /// Returns the completions in the format that kubectl reads: one candidate a line with its description after a tab,
    /// then a colon and the directive.
    ///
    /// - Parameter words: The words after the plugin's name. The last one, which may be empty, is to be completed.
    package func output(_ words: [String]) -> String {
        let (candidates, directive) = complete(words)
        let lines = candidates.map { candidate in
            candidate.description.map { "\(candidate.value)\t\($0)" } ?? candidate.value
        }
        return (lines + [":\(directive.rawValue)"]).map { "\($0)\n" }.joined()
    }

    /// Returns a long option that the command of these words does not have, or nil.
    package func unknownOption(in words: [String]) -> String? {
        let typed = TypedWords(words, root)
        return typed.options.sorted().first { name in
            name.hasPrefix("--") && !["--help", "--version"].contains(name)
                && typed.command.argument(named: name[...]) == nil
        }
    }

    private typealias Candidate = (value: String, description: String?)

    private func complete(_ words: [String]) -> ([Candidate], Directive) {
        let current = words.last ?? ""
        let typed = TypedWords(words.dropLast(), root)
        if let option = typed.pending { return values(option, beginning: current, words) }
        if typed.isTerminated { return ([], .files) }
        if current.hasPrefix("--"), let equals = current.firstIndex(of: "=") {
            guard let option = typed.command.argument(named: current[..<equals]) else {
                return ([], .candidates)
            }
            return values(option, beginning: String(current[current.index(after: equals)...]), words)
        }
        if current.hasPrefix("-") { return (options(typed, beginning: current), .candidates) }
        let command = typed.command
        // ArgumentParser does not list the arguments of its own command `help`.
        let subcommands = command.commandName == "help" ? root.subcommands : command.subcommands
        if !subcommands.isEmpty {
            let all = subcommands.map { (value: $0.commandName, description: $0.abstract) }
            return (all.filter { $0.value.hasPrefix(current) }, .candidates)
        }
        guard let positional = command.positional(typed.positionals) else { return ([], .candidates) }
        return values(positional, beginning: current, words)
    }

    private func options(_ typed: TypedWords, beginning prefix: String) -> [Candidate] {
        typed.command.arguments.flatMap { argument -> [Candidate] in
            let names = (argument.names ?? []).map(\.spelling)
            guard argument.isRepeating || !names.contains(where: typed.options.contains) else { return [] }
            return names.filter { $0.hasPrefix(prefix) }.map { ($0, argument.abstract) }
        }
    }

    private func values(
        _ argument: CommandInfo.Argument, beginning prefix: String, _ words: [String]
    ) -> ([Candidate], Directive) {
        func matching(_ values: [String]) -> ([Candidate], Directive) {
            (values.filter { $0.hasPrefix(prefix) }.map { ($0, nil) }, .candidates)
        }
        switch argument.completionKind {
        case .list(let values): return matching(values)
        case .custom: return matching(custom(words))
        case .file(let endings) where endings.isEmpty: return ([], .files)
        case .file(let endings): return (endings.map { ($0, nil) }, .fileExtensions)
        case .directory: return ([], .directories)
        case .shellCommand, nil: return ([], .candidates)
        }
    }
}

/// The state of the command line before the word to complete.
private struct TypedWords {
    private(set) var command: CommandInfo
    /// The option whose value comes next.
    private(set) var pending: CommandInfo.Argument?
    private(set) var options: Set<String> = []
    private(set) var positionals = 0
    /// True after `--`.
    private(set) var isTerminated = false

    init(_ words: some Sequence<String>, _ root: CommandInfo) {
        command = root
        for word in words { add(word) }
    }

    private mutating func add(_ word: String) {
        if word == "--", !isTerminated {
            // It is not the value of an option that has none.
            (pending, isTerminated) = (nil, true)
        } else if pending != nil {
            pending = nil
        } else if word.hasPrefix("-"), !isTerminated, word != "-" {
            let name = word.prefix { $0 != "=" }
            options.insert(String(name))
            if let argument = command.argument(named: name), argument.kind == .option, name == word {
                pending = argument
            }
        } else if let subcommand = command.subcommand(word), positionals == 0 {
            command = subcommand
            options = []
        } else {
            positionals += 1
        }
    }
}

/// A command with its arguments, as far as completion needs them from `--experimental-dump-help`.
package struct CommandInfo: Decodable, Sendable {
    package struct Argument: Decodable, Sendable {
        enum Kind: String, Decodable { case positional, option, flag }

        struct Name: Decodable {
            enum Kind: String, Decodable { case long, short, longWithSingleDash }

            let kind: Kind
            let name: String

            /// The name with its dashes.
            var spelling: String { kind == .long ? "--\(name)" : "-\(name)" }
        }

        let kind: Kind
        let shouldDisplay: Bool
        let isRepeating: Bool
        let names: [Name]?
        let abstract: String?
        let completionKind: Completion?
    }

    /// The source of an argument's values.
    enum Completion: Decodable {
        case list(values: [String])
        case file(extensions: [String])
        case directory
        case shellCommand(command: String)
        /// The program itself computes them.
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
        // Empty arrays are omitted from the JSON.
        let all = try container.decodeIfPresent([Argument].self, forKey: .arguments) ?? []
        arguments = all.filter(\.shouldDisplay)
        subcommands = try container.decodeIfPresent([CommandInfo].self, forKey: .subcommands) ?? []
    }

    func subcommand(_ name: String) -> CommandInfo? { subcommands.first { $0.commandName == name } }

    func argument(named text: some StringProtocol) -> Argument? {
        arguments.first { $0.names?.contains { $0.spelling == text } == true }
    }

    func positional(_ index: Int) -> Argument? {
        let all = arguments.filter { $0.kind == .positional }
        if index < all.count { return all[index] }
        return all.last.flatMap { $0.isRepeating ? $0 : nil }
    }
}
