import ArgumentParser
import CLI
import Envelope
import Primitives

struct GitDiff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-diff",
        abstract: "Name the entries that differ between two versions of a file, for git.",
        discussion: """
            Ciphertexts differ with every change of any value; this opens both versions and names what differs, \
            without the values. Where no key may open them, it tells recipients and entries alone. Set up with:

              git config diff.wrappedsecret.command 'secrets-bridge git-diff'
              echo 'secrets/*.yaml diff=wrappedsecret' >> .gitattributes
            """)

    @Option(name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.")
    var namespace: String?

    @Argument(
        help: "What git gives to a diff command: path, old file, its hash and mode, new file, hash, mode.")
    var arguments: [String]

    func validate() throws {
        guard arguments.count == 7 || arguments.count == 9 || arguments.count == 2 else {
            throw ValidationError("seven arguments of git's are expected, or two files")
        }
    }

    func run() async throws {
        let (path, old, new) =
            arguments.count == 2
            ? (arguments[1], arguments[0], arguments[1]) : (arguments[0], arguments[1], arguments[4])
        let keys = try? loadKeys()
        do throws(InputError) {
            let comparison = FileComparison(
                try WrappedSecretFile(reading: old), try WrappedSecretFile(reading: new),
                namespace: namespace)
            let lines = await comparison.lines(with: keys)
            if !lines.isEmpty { Console.say("wrappedsecret \(path)") }
            lines.forEach(Console.say)
        } catch {
            throw CommandError(error)
        }
    }
}

struct GitTextconv: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git-textconv",
        abstract: "Print a file's WrappedSecrets without ciphertexts, for git.",
        discussion: """
            Recipients, entries and sizes; and the start of the MAC, which changes with every change of a value. \
            Needs no key. Set up with:

              git config diff.wrappedsecret.textconv 'secrets-bridge git-textconv'
              echo 'secrets/*.yaml diff=wrappedsecret' >> .gitattributes
            """)

    @Argument(help: "The file.")
    var file: String

    @Option(name: .shortAndLong, help: "The namespace of WrappedSecrets that do not say it.")
    var namespace: String?

    func run() throws {
        do throws(InputError) {
            for document in try WrappedSecretFile(reading: file).documents {
                Console.say(document.summary)
                for line in try Inspection(document, namespace: namespace).lines.dropFirst() {
                    Console.say(line)
                }
            }
        } catch {
            throw CommandError(error)
        }
    }
}
