import ArgumentParser
import CLI
import Cryptography
import Glibc
import Settings
import System

struct GitSetup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-setup",
        abstract: "Set up git to diff and merge WrappedSecrets.",
        discussion: """
            Sets the drivers wrappedsecret in git's configuration, and assigns them to files in .gitattributes at the top \
            of the repository. Commit that file. The configuration is not part of a clone: run this again in each clone, and \
            in CI. Without it, git merges and shows the files as text. A second run changes nothing.

              secrets-bridge git-setup 'secrets/*.yaml'
              secrets-bridge git-setup --remove
            """)

    @Argument(
        help: ArgumentHelp(
            """
            Patterns of gitattributes of the files. The default is *.yaml, *.yml, or none if .gitattributes has the \
            drivers already. Files without WrappedSecrets are merged and shown as before.
            """, valueName: "pattern"))
    var patterns: [String] = []

    @Flag(help: "Use the configuration and the attributes of the user, for all repositories.")
    var global = false

    @Flag(help: "Use those of this repository. This is the default.")
    var local = false

    @Flag(
        help: """
            Let git diff decrypt both versions to name the changed entries, which needs a key. Its output is then no patch.
            """)
    var decrypt = false

    @Flag(help: "Remove the drivers, and assign them to no files.")
    var remove = false

    func validate() throws {
        if global, local { throw ValidationError("give --global or --local, not both") }
        if remove, !patterns.isEmpty || decrypt {
            throw ValidationError("--remove takes no patterns and no --decrypt")
        }
        for pattern in patterns {
            do throws(InputError) {
                try GitAttributes.check(pattern: pattern)
            } catch {
                throw ValidationError(error.description)
            }
        }
    }

    func run() async throws {
        let git = try GitProgram()
        let attributes = try await attributesPath(git)
        let changes = try await configure(git) + updateAttributes(at: attributes)
        changes.forEach { Console.writeLine($0) }
        if changes.isEmpty { Console.note("nothing changed; git is set up as asked") }
        guard !remove, !global else { return }
        Console.note("commit .gitattributes; each clone, and CI, has to run secrets-bridge git-setup once")
    }

    private var scope: String { global ? "--global" : "--local" }

    /// The settings, which are nil if they are to be removed.
    private var settings: [(name: String, value: String?)] {
        let (diff, merge) = ("diff.\(GitAttributes.driver)", "merge.\(GitAttributes.driver)")
        let base = [
            ("\(diff).textconv", "secrets-bridge git-textconv --"),
            ("\(merge).name", "WrappedSecrets by entry"),
            ("\(merge).driver", "secrets-bridge git-merge --marker-size %L -- %O %A %B %P"),
            // Several common ancestors are merged first. Their conflicts must not be in the ancestor that the driver gets.
            ("\(merge).recursive", "binary"),
        ]
        let command = [("\(diff).command", "secrets-bridge git-diff --")]
        if remove { return (base + command).map { ($0.0, nil) } }
        return base + (decrypt ? command : [])
    }

    private func configure(_ git: GitProgram) async throws -> [String] {
        var changes: [String] = []
        for (name, value) in settings {
            let old = try await git.text(["config", scope, "--get", name])
            guard old != value else { continue }
            let change = value.map { [name, $0] } ?? ["--unset-all", name]
            let completion = try await git.run(
                ["config", scope] + (value == nil ? [] : ["--replace-all"]) + change)
            guard completion.exitCode == 0 else {
                throw CommandError("git config failed with \(completion.exitCode) for \(name)")
            }
            changes.append(
                value.map { "set \(name) = \($0) (git config \(scope))" }
                    ?? "removed \(name) (git config \(scope))")
        }
        return changes
    }

    private func attributesPath(_ git: GitProgram) async throws -> String {
        guard global else {
            guard let top = try await git.text(["rev-parse", "--show-toplevel"]), !top.isEmpty else {
                throw CommandError("this folder is in no working tree of git; run git init, or give --global")
            }
            return "\(top)/.gitattributes"
        }
        if let path = try await git.text([
            "config", "--global", "--type=path", "--get", "core.attributesFile",
        ]),
            !path.isEmpty
        {
            return path
        }
        let home = Environment.process.value("HOME")
        guard let folder = Environment.process.value("XDG_CONFIG_HOME") ?? home.map({ "\($0)/.config" })
        else {
            throw CommandError(
                "HOME is not set, so the user's attributes cannot be found; set core.attributesFile")
        }
        return "\(folder)/git/attributes"
    }

    private func updateAttributes(at path: String) throws -> [String] {
        // git does not read a link in the working tree, and it could lead to a file of the user.
        var info = stat()
        if !global, lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFLNK {
            throw CommandError("\(path) is a symbolic link; replace it by a file")
        }
        let old = try read(path)
        var attributes = GitAttributes(old)
        var changes: [String] = []
        if remove {
            if attributes.removeAll() { changes.append("removed the drivers from \(path)") }
        } else {
            let isAssigned = old.contains("merge=\(GitAttributes.driver)")
            for pattern in patterns.isEmpty && !isAssigned ? ["*.yaml", "*.yml"] : patterns
            where attributes.add(pattern: pattern) {
                changes.append("added \(pattern) to \(path)")
            }
        }
        guard attributes.text != old else { return [] }
        do throws(FileError) {
            if global, let slash = path.lastIndex(of: "/") {
                try FolderCreation.createFolderAndParents(String(path[..<slash]))
            }
            try OutputFile(path, permissions: .byUmask).write(SecretBytes(copying: attributes.text.utf8))
        } catch {
            throw CommandError(InputError(unwritable: path, error.reason))
        }
        return changes
    }

    private func read(_ path: String) throws -> String {
        do throws(FileError) {
            guard case .missing = try FileKind(of: path) else {
                let bytes = try SecretBytes(contentsOfFile: path, limit: 16 << 20)
                guard let text = bytes.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else {
                    throw FileError(
                        path: path, reason: "is not UTF-8; convert it, or add the attributes by hand")
                }
                return text
            }
            return ""
        } catch {
            throw CommandError(InputError(unreadable: path, error.reason))
        }
    }
}
