/// What to type instead of a command that does not exist: a command with a similar name, or the one that does what other
/// tools call by that name.
package struct CommandSuggestion {
    private let program: String
    private let commands: [String]

    /// Words of kubectl, kubeseal, SOPS and common command lines, with our commands for them.
    private static let synonyms: [String: [String]] = [
        "encrypt": ["wrap"], "enc": ["wrap"], "seal": ["wrap"], "kubeseal": ["wrap"], "create": ["wrap"],
        "protect": ["wrap"], "add": ["set"],
        "decrypt": ["unwrap"], "dec": ["unwrap"], "unseal": ["unwrap"], "open": ["unwrap"],
        "reveal": ["unwrap"],
        "get": ["status", "inspect"], "list": ["status"], "ls": ["status"],
        "describe": ["inspect", "status"],
        "show": ["inspect"], "view": ["inspect"], "cat": ["inspect"], "keys": ["inspect"],
        "explain": ["inspect"],
        "filestatus": ["inspect"],
        "rotate": ["rewrap", "rotate-value"], "updatekeys": ["rewrap"], "rekey": ["rewrap"],
        "reencrypt": ["rewrap"], "re-encrypt": ["rewrap"], "reseal": ["rewrap"], "re-wrap": ["rewrap"],
        "validate": ["verify"], "lint": ["verify"], "check": ["verify", "doctor"], "test": ["verify"],
        "run": ["exec", "controller"], "exec-env": ["exec"], "exec-file": ["exec"], "env": ["exec"],
        "delete": ["unset"], "remove": ["unset"], "rm": ["unset"], "put": ["set"],
        "generate": ["rotate-value"],
        "convert": ["import"], "migrate": ["import"], "adopt": ["import"], "export": ["unwrap"],
        "compare": ["diff"], "textconv": ["git-textconv"], "debug": ["doctor"], "diagnose": ["doctor"],
        "serve": ["controller"], "server": ["controller"], "operator": ["controller"],
        "start": ["controller"],
        "completion": ["--generate-completion-script"], "completions": ["--generate-completion-script"],
    ]

    /// - Parameter program: as the user calls it.
    package init(program: String, commands: [String]) {
        self.program = program
        self.commands = commands
    }

    /// One line that names the unknown command and what was probably meant.
    package func message(for word: String) -> String {
        let suggestions = suggestions(for: word)
        let unknown = "\(quoted(word)) is not a command"
        guard !suggestions.isEmpty else { return "\(unknown); \(program) --help lists them" }
        return "\(unknown); did you mean \(suggestions.joined(separator: " or "))?"
    }

    /// The best ones first; none if no command comes near.
    func suggestions(for word: String) -> [String] {
        let word = word.lowercased()
        if let meant = Self.synonyms[word], !commands.contains(word) { return meant }
        let beginnings = word.utf8.count >= 3 ? commands.filter { $0.hasPrefix(word) } : []
        // Of a short word, two letters are too much.
        let limit = word.utf8.count <= 4 ? 1 : 2
        let near = commands.map { ($0, editDistance(word.utf8.prefix(64), $0.utf8)) }.filter { $0.1 <= limit }
        let nearest = near.map(\.1).min()
        let similar = near.filter { $0.1 == nearest }.map(\.0)
        return similar + beginnings.filter { !similar.contains($0) }
    }
}
