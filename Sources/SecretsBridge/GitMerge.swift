import ArgumentParser
import CLI
import Cryptography
import Envelope
import System

struct GitMerge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-merge",
        abstract: "Merge two versions of a file with WrappedSecrets by entry, for git.",
        discussion: """
            Edits of different entries, and changes of recipients, are merged. If both sides changed values, all versions \
            are decrypted, and the merged values are encrypted under a new data key. If one side did not change a \
            WrappedSecret, the bytes of the other are taken and no key is needed. The rest of the file is merged by lines, \
            as git does. A conflict is named by its entry on standard error; the file then has git's conflict markers \
            around both encrypted versions. Values are neither shown nor written anywhere. Set up with:

              secrets-bridge git-setup

            Exit codes: 0 merged; 1 there are conflicts; 64 wrong usage; 255 failed, no file was written.
            """)

    @Option(
        name: .shortAndLong, help: "The namespace of WrappedSecrets without one.",
        transform: parseNamespace)
    var namespace: String?

    @Option(help: "The number of characters of a conflict marker: %L of git.")
    var markerSize = 7

    @OptionGroup var providers: ProviderOptions

    @Argument(help: "The file of the common ancestor: %O of git.", completion: .file())
    var base: String

    @Argument(help: "The file of our side, which is replaced by the result: %A of git.", completion: .file())
    var ours: String

    @Argument(help: "The file of their side: %B of git.", completion: .file())
    var theirs: String

    @Argument(help: "The path of the file in the repository: %P of git.")
    var path: String?

    private static let failed = ExitCode(255)

    func validate() throws {
        guard (1...1000).contains(markerSize) else {
            throw ValidationError("--marker-size is \(markerSize); 1 to 1000 are allowed")
        }
        try checkNoStandardInput([base, ours, theirs])
    }

    func run() async throws {
        let name = path ?? ours
        let output: FileMerge.Output
        do {
            let git = try GitProgram()
            let file = try OutputFile(ours, permissions: .byUmask)
            let markerSize = markerSize
            var merge = FileMerge(
                path: name, namespace: namespace, markerSize: markerSize, keys: keys
            ) { base, ours, theirs throws(InputError) in
                try await git.mergeLines(base, ours, theirs, markerSize: markerSize)
            }
            output = try await merge.merge(
                base: try ManifestFile.contents(of: base), ours: try ManifestFile.contents(of: ours),
                theirs: try ManifestFile.contents(of: theirs))
            try file.write(output.text.bytes)
        } catch {
            // git would take any other code for a conflict, and the file for the result.
            throw CommandError("cannot merge \(name): \(error)", exitCode: Self.failed)
        }
        output.notes.forEach { Console.note("\(name): \($0)") }
        guard !output.conflicts.isEmpty else { return }
        output.conflicts.forEach { Console.conflict("\(name): \($0)") }
        let file = name.shellQuotedPath
        Console.note(
            "choose a side with git checkout --ours -- \(file) or git checkout --theirs -- \(file), set the entries of the "
                + "other one with secrets-bridge set \(file), then run git add -- \(file)")
        throw ExitCode.failure
    }

    private func keys() throws(InputError) -> KeyRing {
        do {
            return try providers.keys(namespace: namespace)
        } catch {
            throw InputError("\(error)")
        }
    }
}
