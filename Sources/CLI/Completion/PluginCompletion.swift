import FoundationEssentials

/// What kubectl is told that asks a plugin's `kubectl_complete-NAME` for completions.
///
/// Source: kubernetes/sample-cli-plugin, "Shell completion"; github.com/spf13/cobra, ShellCompDirective.
package struct PluginCompletion {
    /// What the shell is to make of the candidates; the numbers are cobra's.
    enum Directive: Int {
        /// There are none: names of files, as the shell completes them.
        case files = 0
        /// They are all there is.
        case candidates = 4
        /// They are endings that files must have. Folders are offered too.
        case fileExtensions = 8
        case directories = 16
    }

    private let root: CommandInfo
    private let custom: ([String]) -> [String]

    /// - Parameters:
    ///   - help: JSON, as `--experimental-dump-help` prints it.
    ///   - custom: values of an option that only the program knows, for the words typed so far.
    ///
    /// Errors: `help` is no such JSON.
    package init(help: String, custom: @escaping ([String]) -> [String]) throws {
        struct Tool: Decodable { let command: CommandInfo }
        root = try JSONDecoder().decode(Tool.self, from: Data(help.utf8)).command
        self.custom = custom
    }

    /// - Parameter words: what was typed after the plugin's name; the last is the one to complete, and may be empty.
    /// - Returns: a candidate a line, with a tab before what it means, then a colon and the directive.
    package func output(_ words: [String]) -> String {
        let (candidates, directive) = complete(words)
        let lines = candidates.map { candidate in
            candidate.meaning.map { "\(candidate.value)\t\($0)" } ?? candidate.value
        }
        return (lines + [":\(directive.rawValue)"]).map { "\($0)\n" }.joined()
    }

    private typealias Candidate = (value: String, meaning: String?)

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
        // ArgumentParser's own command says not what it takes.
        let subcommands = command.commandName == "help" ? root.subcommands : command.subcommands
        if !subcommands.isEmpty {
            let all = subcommands.map { (value: $0.commandName, meaning: $0.abstract) }
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

/// What words before the one to complete say of it.
private struct TypedWords {
    private(set) var command: CommandInfo
    /// An option that waits for its value.
    private(set) var pending: CommandInfo.Argument?
    private(set) var options: Set<String> = []
    private(set) var positionals = 0
    /// `--` was typed.
    private(set) var isTerminated = false

    init(_ words: some Sequence<String>, _ root: CommandInfo) {
        command = root
        for word in words { add(word) }
    }

    private mutating func add(_ word: String) {
        if pending != nil {
            pending = nil
        } else if word == "--" {
            isTerminated = true
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
