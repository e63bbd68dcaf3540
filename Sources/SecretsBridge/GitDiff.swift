import ArgumentParser
import CLI
import Cryptography
import Envelope

struct GitDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-diff",
        abstract: "Show what differs between two versions of a file, for git.",
        discussion: """
            All ciphertexts change whenever a value changes. This command decrypts both versions and lists the entries that \
            differ, without their values, followed by a text diff with hashes in place of ciphertexts. If no key can decrypt \
            both versions, it compares recipients and entry names only. Set up with:

              git config diff.wrappedsecret.command 'secrets-bridge git-diff --'
              echo 'secrets/*.yaml diff=wrappedsecret' >> .gitattributes
            """)

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Argument(
        help:
            "The arguments that git passes to a diff command: path, old file, hash, mode, new file, hash, mode.",
        completion: .file())
    var arguments: [String]

    func validate() throws {
        guard [1, 2, 7, 9].contains(arguments.count) else {
            throw ValidationError("give the seven arguments of a git diff command, or two files")
        }
    }

    /// Never fails: git would not show the files that follow.
    func run() async {
        switch arguments.count {
        case 1: Console.writeLine("wrappedsecret \(arguments[0]): is being merged")
        case 2: await show(arguments[1], from: arguments[0], to: arguments[1], [])
        default: await show(arguments[0], from: arguments[1], to: arguments[4], metadata)
        }
    }

    /// The mode change and the rename header that git passes.
    private var metadata: [String] {
        let (old, new) = (arguments[3], arguments[6])
        var lines: [String] = []
        // For an added or deleted file, one mode is ".".
        if old != new, old != ".", new != "." { lines = ["old mode \(old)", "new mode \(new)"] }
        // The ninth argument describes a rename and its similarity.
        return arguments.count == 9
            ? lines + arguments[8].split(separator: "\n").map(String.init) : lines
    }

    private func show(_ path: String, from old: String, to new: String, _ metadata: [String]) async {
        do throws(InputError) {
            let (before, after) = (try ReviewText(reading: old), try ReviewText(reading: new))
            let difference = UnifiedDiff(from: before.bytes, to: after.bytes).lines
            guard !difference.isEmpty || !metadata.isEmpty else { return }
            Console.writeLine("wrappedsecret \(path)")
            metadata.forEach(Console.writeLine)
            if let before = before.file, let after = after.file {
                let comparison = FileComparison(before, after, namespace: namespace)
                for line in await comparison.lines(with: try? loadKeys()) {
                    Console.writeLine(StyledText(change: line), for: Console.pagerDisplay)
                }
            }
            for line in difference { Console.writeLine(StyledText(diff: line), for: Console.pagerDisplay) }
        } catch {
            Console.error("\(error)")
        }
    }
}

struct GitTextconv: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-textconv",
        abstract: "Print a file with hashes in place of its WrappedSecrets' ciphertexts, for git.",
        discussion: """
            The rest is the unchanged text of the file. Requires no key. Set up with:

              git config diff.wrappedsecret.textconv 'secrets-bridge git-textconv --'
              echo 'secrets/*.yaml diff=wrappedsecret' >> .gitattributes
            """)

    @Argument(help: "The file.", completion: manifestCompletion)
    var file: String

    func run() throws { try Console.write(try ReviewText(reading: file).bytes.bytes) }
}
