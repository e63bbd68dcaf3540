import System

/// Suggests commands for a word that is not a command: those with a similar name, or with another tool's name for them.
package struct CommandSuggestion {
    private let program: String
    private let commands: [String]

    /// Words of kubectl, kubeseal, SOPS and common command lines, with the commands for them.
    private static let synonyms: [String: [String]] = [
        "encrypt": ["wrap"], "enc": ["wrap"], "seal": ["wrap"], "kubeseal": ["wrap"],
        "protect": ["wrap"], "add": ["set", "create"], "new": ["create"], "init": ["create"],
        "mv": ["move"], "rename": ["move"], "copy": ["move"], "cp": ["move"], "rebind": ["move"],
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
        "compare": ["diff"], "textconv": ["git-textconv"], "merge": ["git-merge"], "setup": ["git-setup"],
        "debug": ["doctor"], "diagnose": ["doctor"],
        "serve": ["controller"], "server": ["controller"], "operator": ["controller"],
        "start": ["controller"],
        "completion": ["--generate-completion-script"], "completions": ["--generate-completion-script"],
    ]

    /// - Parameter program: The program's name as the user typed it.
    package init(program: String, commands: [String]) {
        self.program = program
        self.commands = commands
    }

    /// Returns one line with the unknown command, unless it may be a value, and the suggestions.
    package func message(for word: String) -> String {
        let suggestions = suggestions(for: word)
        let isName = word.utf8.allSatisfy {
            $0.isASCIILowercase || $0.isASCIIUppercase || $0 == UInt8(ascii: "-")
        }
        let isShown = isName || PathRedaction.printableArgument(word) != nil
        let unknown = isShown ? "\(quoted(word)) is not a command" : "the first argument is not a command"
        guard !suggestions.isEmpty else { return "\(unknown); \(program) --help lists them" }
        return "\(unknown); did you mean \(suggestions.joined(separator: " or "))?"
    }

    /// Returns the suggestions, best first.
    func suggestions(for word: String) -> [String] {
        let word = word.lowercased()
        if let synonyms = Self.synonyms[word], !commands.contains(word) { return synonyms }
        let beginnings = word.utf8.count >= 3 ? commands.filter { $0.hasPrefix(word) } : []
        // In a short word, two letters are half of it.
        let limit = word.utf8.count <= 4 ? 1 : 2
        let near = commands.map { ($0, editDistance(word.utf8.prefix(64), $0.utf8)) }.filter { $0.1 <= limit }
        let nearest = near.map(\.1).min()
        let similar = near.filter { $0.1 == nearest }.map(\.0)
        return similar + beginnings.filter { !similar.contains($0) }
    }
}

/// Finds the known word that a misspelt word most likely stands for.
enum SpellingSuggestion {
    /// Returns the word that differs from `text` in case, in `-` and `_`, or in at most two letters, or nil if none
    /// does.
    static func closest(to text: String, in words: [String]) -> String? {
        // The text may be a value in the place of a key, which can be long.
        guard text.utf8.count <= 32 else { return nil }
        let folded = fold(text)
        let ranked = words.map { (word: $0, distance: editDistance(folded, fold($0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= 2 && best.distance * 3 <= best.word.utf8.count ? best.word : nil
    }

    private static func fold(_ text: String) -> [UInt8] {
        text.lowercased().utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
    }
}

/// Returns the number of letters to insert, remove, replace or swap with a neighbour to turn one word into the other
/// (optimal string alignment). The time grows with the product of the lengths, which callers limit.
func editDistance(_ from: some Collection<UInt8>, _ to: some Collection<UInt8>) -> Int {
    let (a, b) = (Array(from), Array(to))
    var table = [Array(0...b.count)]
    for i in a.indices {
        var line = [i + 1]
        for j in b.indices {
            var best = min(table[i][j + 1] + 1, line[j] + 1, table[i][j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, table[i - 1][j - 1] + 1) }
            line.append(best)
        }
        table.append(line)
    }
    return table[a.count][b.count]
}
