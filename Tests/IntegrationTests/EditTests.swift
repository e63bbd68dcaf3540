import Foundation
import TestSupport
import Testing

/// Commands that change values in files, used by a user and by scripts.
@Suite(.onRealServers)
struct EditTests {
    private let folder: TemporaryFolder
    private let canary = "canary-\(UUID().uuidString)"
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private var file: String { folder.path("db.yaml") }

    init() throws { folder = try TemporaryFolder() }
    private func run(
        _ arguments: [String], _ more: [String: String] = [:], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, environment.merging(more) { $1 }, input: Data(input.utf8), status: status,
            canary: canary, location: location)
    }

    private static let recipientFile = """
        version: 1
        keyID: "vault-transit:transit/sb-offline"
        keyVersion: "1"
        algorithm: RSA-OAEP-256
        fingerprint: sha256:c487621f329464bcb69253417351a53036325953800ec703f9aa9ed289bc6248
        publicKey: |
          -----BEGIN PUBLIC KEY-----
          MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAkTNKLpvaiqfV9QcZHmds
          g2y9atHsqmIZdojwoaTs8nBtDt0bUlI+ljcdpV6RYP2MZMO40E++MauGsjEd+PlW
          fbiN7aBPCKyGLdXe2a47gsG3FK11A13Od18GhP6vzsaUia00iJ9vR3txiB+MlHpI
          Vta/JltEQxELIrBojIPb69ViK7q60Mmhrm8iUknDq/9Gv9xsr7a1IiD/wFf6liDh
          sUl+LviZzBEaEC2HfTF5Vz5q/6ytRRJ0GhKL6rHA72vnXNPN6fasXxYuMIJLYwz4
          /bymfjj2GFBL/e3g3RYEjp5/hXZLsOxWD2V4lEVgPNXhAw/bON4V7UE7aPv7HL9b
          vBEVw/fy/EBFimM6H7kvU5CGhKKGRT6z1s2DgL78QH/gkyaokeMcU2JIIxE11gZf
          NA2MHKAF8yEp15xn+UsaYw4OzRDy1W86YSb0Sd5Li2uC50/4TM6wvQbfpHgagwOa
          9wXvgzTuo77Sx8jvwjuCdc6HRPqSAJiX1DncqsPEawtPAgMBAAE=
          -----END PUBLIC KEY-----

        """

    private func wrap() async throws -> String {
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: \(canary), user: app}\n"
        let wrapped = try await run(["wrap", "-n", "payments"], input: secret).output
        let text = "# The team's database.\n" + wrapped
        try folder.write("db.yaml", text)
        return text
    }

    /// Returns the environment for an editor that is a shell script with the file as `$1`.
    private func editor(_ script: String) throws -> [String: String] {
        let path = try folder.write("editor.sh", "#!/bin/sh\n\(script)\n")
        return ["EDITOR": "/bin/sh \(path)"]
    }

    private func value(_ name: String) async throws -> String? {
        let secret = try await run(["unwrap", "-f", file, "-o", "json"]).output
        let object = try JSONSerialization.jsonObject(with: Data(secret.utf8)) as? [String: Any]
        let data = (object?["data"] as? [String: String])?[name].flatMap { Data(base64Encoded: $0) }
        return data.map { String(decoding: $0, as: UTF8.self) }
    }

    private var foldersLeft: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/dev/shm")) ?? [])
            .filter { $0.hasPrefix("secrets-bridge-") }
            .filter { name in
                let text = try? String(contentsOfFile: "/dev/shm/\(name)/values.yaml", encoding: .utf8)
                return text?.contains(canary) == true
            }
    }

    /// All succeed, or are told to run again; no value of one that succeeded is missing.
    @Test func noValueOfConcurrentCommandsIsLost() async throws {
        _ = try await wrap()
        let binary = try Settings.required().binary
        let added = try await withThrowingTaskGroup(of: String?.self) { group in
            for index in 0..<12 {
                group.addTask { [file, environment] in
                    let program = try Program(
                        binary, ["set", file, "--from-literal", "k\(index)=v"], environment: environment)
                    let outcome = try await program.outcome()
                    #expect(outcome.status == 0 || outcome.errors.contains("another process has changed it"))
                    return outcome.status == 0 ? "k\(index)" : nil
                }
            }
            return try await group.reduce(into: []) { $0 += [$1].compactMap(\.self) }
        }
        #expect(!added.isEmpty)
        for name in added { #expect(try await value(name) == "v") }
        #expect(try folder.names == ["db.yaml"])
    }

    /// The command waits for the lock of the file between the temporary file and its renaming.
    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalLeavesNoTemporaryFile(number: Int32) async throws {
        let before = try await wrap()
        let lock = open(file, O_RDONLY)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX) == 0)
        let program = try Program(
            try Settings.required().binary, ["set", file, "--from-literal", "user=new"],
            environment: environment)
        _ = try await eventually("the temporary file exists") {
            try folder.names.contains { $0.hasSuffix(".secrets-bridge-tmp") } ? true : nil
        }
        program.signal(number)
        #expect(try await program.outcome(within: .seconds(60)).status == 128 + number)
        #expect(try folder.names == ["db.yaml"])
        #expect(try folder.read("db.yaml") == before)
    }

    @Test func anEntryMayBeNamedTwiceToUnset() async throws {
        _ = try await wrap()
        #expect(try await run(["unset", file, "user", "user"]).output == "- user\n")
    }

    @Test func namesARecipientFileThatIsGivenTwice() async throws {
        _ = try await wrap()
        let recipient = try folder.write("r.yaml", Self.recipientFile)
        let outcome = try await run(
            ["rewrap", file, "--recipient", recipient, "--recipient", recipient], status: 1)
        #expect(
            outcome.errors
                == "error: \(recipient): is given twice with --recipient; leave out one of the two\n")
    }

    @Test func changesOneValueAndNothingElse() async throws {
        let before = try await wrap()
        let place = folder.path("where")
        let outcome = try await run(
            ["edit", file],
            try editor("grep -q \(canary) $1 && echo $1 >\(place); sed -i 's/user: app/user: new/' $1"))
        #expect(outcome.output == "~ user\n")
        #expect(try await value("user") == "new")
        #expect(try await value("password") == canary)
        let path = try folder.read("where").trimmed
        #expect(path.hasPrefix("/dev/shm/secrets-bridge-") || path.hasPrefix("/run/"))
        #expect(!FileManager.default.fileExists(atPath: path))
        let (old, new) = (
            before.split(separator: "\n"),
            try folder.read("db.yaml").split(separator: "\n")
        )
        #expect(old.count == new.count)
        for (old, new) in zip(old, new) where old != new {
            #expect(["wrappedKey", "mac", "password", "user"].contains { old.contains("\($0):") }, "\(old)")
        }
    }

    @Test func keepsTheFileIfTheEditorFailsOrChangesNothing() async throws {
        let before = try await wrap()
        for (script, status): (String, Int32) in [
            ("sed -i s/app/x/ $1; kill -9 $$", 1), ("exit 3", 1), ("true", 0), (": >$1", 1),
            ("echo 'stringData: [' >$1", 1), ("sed -i 's/name: db/name: other/' $1", 1),
        ] {
            _ = try await run(["edit", file], try editor(script), status: status)
            #expect(try folder.read("db.yaml") == before)
            #expect(foldersLeft == [])
        }
    }

    @Test func reportsAReadOnlyFileBeforeTheEditorStarts() async throws {
        let before = try await wrap()
        #expect(chmod(file, 0o444) == 0)
        let place = folder.path("started")
        let outcome = try await run(
            ["edit", file], try editor("touch \(place); sed -i s/app/x/ $1"), status: 1)
        #expect(outcome.errors.contains("chmod u+w"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: place))
        #expect(try folder.read("db.yaml") == before)
    }

    @Test func hidesKeysFromTheEditor() async throws {
        _ = try await wrap()
        let place = folder.path("count")
        _ = try await run(["edit", file], try editor("env | grep -c ^SB_ >\(place); true"))
        #expect(try folder.read("count").trimmed == "0")
    }

    @Test func cleansUpIfTheOutputIsClosed() async throws {
        _ = try await wrap()
        let place = folder.path("status")
        let script = #"{ "$0" edit "$1"; echo $? >"$2"; } | exec true"#
        let shell = try Program(
            "/bin/sh", ["-c", script, try Settings.required().binary, file, place],
            environment: environment.merging(try editor("sleep 0.5; sed -i 's/user: app/user: new/' $1")) {
                $1
            })
        _ = try await shell.outcome()
        _ = try await eventually("edit ends") { FileManager.default.fileExists(atPath: place) ? true : nil }
        #expect(foldersLeft == [])
        #expect(try await value("user") == "new")
    }

    /// Edits at a terminal. `keys` are typed at the prompts, one after the other.
    private func editAtTerminal(_ script: String, keys: [String]) async throws -> Program.Outcome {
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python,
            ["\(settings.repository)/Tests/Clients/terminal.py", "give up: ", keys.joined(separator: ",")]
                + [settings.binary, "edit", file],
            environment: environment.merging(try editor(script)) { $1 }
        ).outcome()
        #expect(foldersLeft == [])
        return outcome
    }

    /// q and n give up, and Ctrl-C interrupts.
    @Test(
        arguments: [("xq", 1), ("n", 1), ("N", 1), ("no", 1), ("\u{4}", 1), ("\u{3}", 130)]
            as [(String, Int32)])
    func offersToCorrectAMistakeInTheEditor(key: String, status: Int32) async throws {
        let before = try await wrap()
        let slip = try await editAtTerminal("sed -i 's/name: db/name: other/' $1", keys: ["\r", key])
        #expect(slip.status == status, "\(slip)")
        #expect(try folder.read("db.yaml") == before)
        let mended = try await editAtTerminal(
            "grep -q other $1 && sed -i 's/other/db/; s/user: app/user: new/' $1 || sed -i 's/name: db/name: other/' $1",
            keys: ["\r"])
        #expect(mended.status == 0, "\(mended)")
        #expect(try await value("user") == "new")
    }

    @Test func interruptsIfCtrlCEndsTheEditor() async throws {
        let before = try await wrap()
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python,
            [
                "\(settings.repository)/Tests/Clients/terminal.py", "the editor is open",
                "\u{3},\u{3},\u{3},\u{3}", settings.binary,
            ]
                + ["edit", file],
            // A shell that is starting a program can miss a Ctrl-C.
            environment: environment.merging(
                try editor(
                    """
                    sed -i 's/user: app/user: new/' $1
                    while true; do echo the editor is open; sleep 2; done
                    """)
            ) { $1 }
        ).outcome()
        #expect(outcome.status == 130, "\(outcome)")
        #expect(try folder.read("db.yaml") == before)
        #expect(foldersLeft == [])
    }

    /// vi and ed handle Ctrl-C themselves.
    @Test func continuesIfTheEditorSurvivesCtrlC() async throws {
        _ = try await wrap()
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python,
            [
                "\(settings.repository)/Tests/Clients/terminal.py", "the editor is open", "\u{3}",
                settings.binary,
            ]
                + ["edit", file],
            environment: environment.merging(
                try editor(
                    """
                    trap 'sed -i "s/user: app/user: new/" $1; exit 0' INT
                    echo the editor is open
                    while true; do sleep 0.1; done
                    """)
            ) { $1 }
        ).outcome()
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try await value("user") == "new")
    }

    @Test(arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
    func endsTheEditorAndWritesNothingOnASignal(number: Int32, status: Int32) async throws {
        let before = try await wrap()
        let place = folder.path("started")
        let edit = try Program(
            try Settings.required().binary, ["edit", file],
            environment: environment.merging(
                try editor("sed -i 's/user: app/user: new/' $1; echo $$ >\(place); exec sleep 600")
            ) { $1 })
        let editor = try await eventually("the editor is open") {
            (try? folder.read("started")).flatMap { pid_t($0.trimmed) }
        }
        edit.signal(number)
        let outcome = try await edit.outcome(within: .seconds(20))
        #expect(outcome.status == status, "\(outcome)")
        #expect(outcome.errors == "note: interrupted; nothing was written\n")
        #expect(try folder.read("db.yaml") == before)
        #expect(try folder.names == ["db.yaml", "editor.sh", "started"])
        #expect(foldersLeft == [])
        #expect(kill(editor, 0) != 0, "the editor runs on")
    }

    @Test func killsAnEditorThatIgnoresTheSignal() async throws {
        let before = try await wrap()
        let place = folder.path("started")
        let edit = try Program(
            try Settings.required().binary, ["edit", file],
            environment: environment.merging(
                try editor("trap '' TERM; echo >\(place); while true; do sleep 0.1; done")
            ) { $1 })
        _ = try await eventually("the editor is open") {
            FileManager.default.fileExists(atPath: place) ? true : nil
        }
        edit.signal(SIGTERM)
        #expect(try await edit.outcome(within: .seconds(30)).status == 143)
        #expect(try folder.read("db.yaml") == before)
        #expect(foldersLeft == [])
    }

    @Test func interruptsOnASignalAtThePrompt() async throws {
        let before = try await wrap()
        let outcome = try await editAtTerminal(
            """
            sed -i 's/name: db/name: other/' $1
            program=$(ps -o ppid= -p $$)
            (sleep 1; kill -TERM $program) >/dev/null 2>&1 &
            """, keys: ["x"])
        #expect(outcome.status == 143, "\(outcome)")
        #expect(outcome.output.contains("give up: "), "\(outcome)")
        #expect(try folder.read("db.yaml") == before)
    }

    private let removesAll = "sed -i '/^  password:/d; /^  user:/d; s/^stringData:.*/stringData: {}/' $1"

    @Test func refusesToRemoveAllEntriesWithoutATerminal() async throws {
        let before = try await wrap()
        let outcome = try await run(["edit", file], try editor(removesAll), status: 1)
        #expect(outcome.errors.contains("removes all entries (password, user)"), "\(outcome.errors)")
        #expect(try folder.read("db.yaml") == before)
        #expect(foldersLeft == [])
    }

    @Test(arguments: [("y", 0), ("\r", 1), ("q", 1)])
    func asksBeforeItRemovesAllEntries(key: String, status: Int32) async throws {
        let before = try await wrap()
        let settings = try Settings.required()
        let outcome = try await Program(
            settings.python,
            [
                "\(settings.repository)/Tests/Clients/terminal.py", ", or ", "\(key),q", settings.binary,
                "edit",
                file,
            ],
            environment: environment.merging(try editor("printf 'x: ' >/dev/null; \(removesAll)")) { $1 }
        ).outcome()
        #expect(outcome.status == status, "\(outcome)")
        #expect(outcome.output.contains("removes all entries (password, user)"), "\(outcome)")
        #expect((try folder.read("db.yaml") == before) == (status == 1))
        if status == 0 { #expect(try await value("user") == nil) }
    }

    /// Entries below `metadata` are not entries.
    @Test(arguments: ["/^stringData:/d", "s/^stringData:/stringdata:/", "s/^stringData:/data:/"])
    func refusesAManifestWithALostLine(script: String) async throws {
        let before = try await wrap()
        let outcome = try await run(["edit", file], try editor("sed -i '\(script)' $1"), status: 1)
        #expect(outcome.errors.contains("stringData"), "\(outcome.errors)")
        #expect(try folder.read("db.yaml") == before)
    }

    @Test func editsLinesThatEndInBlanks() async throws {
        _ = try await wrap()
        let text = "one \ntwo\t\n"
        _ = try await run(["set", file, "--from-file", "text=\(try folder.write("t", text))"])
        let outcome = try await run(
            ["edit", file], try editor("grep -q '^  text: |$' $1 && sed -i 's/user: app/user: new/' $1"))
        #expect(outcome.output == "~ user\n")
        #expect(try await value("text") == text)
    }

    @Test func notesUnusualLinesOfAnEnvFile() async throws {
        _ = try await wrap()
        let file = try folder.write("x.env", "A='x'\nHOME\n")
        for arguments in [["set", self.file], ["wrap", "-n", "n", "--name", "x"]] {
            let errors = try await run(arguments + ["--from-env-file", file]).errors
            #expect(errors.contains("x.env:1: the value of A keeps its quotes"), "\(errors)")
            #expect(errors.contains("x.env:2: HOME has no ="), "\(errors)")
        }
        #expect(try await value("A") == "'x'")
    }

    @Test func reportsAConcurrentEditAndContinues() async throws {
        _ = try await wrap()
        let theirs =
            "\(try Settings.required().binary) set \(file) --from-literal user=theirs --from-literal more=1"
        let outcome = try await editAtTerminal(
            """
            if grep -q 'user: app' $1; then
              sed -i 's/user: app/user: mine/' $1
              SB_KMS_BACKEND=local SB_WRAP_MASTER_KEY=\(BadInputTests.masterKey) \(theirs)
            fi
            """, keys: ["\r"])
        #expect(outcome.status == 0, "\(outcome)")
        #expect(
            outcome.output.contains("replaces these changes of another process: + more, ~ user"), "\(outcome)"
        )
        #expect(try await value("user") == "mine")
    }

    /// A limit on the size of files simulates a full disk.
    @Test func keepsTheFileOnAFullDisk() async throws {
        let before = try await wrap()
        let outcome = try await Program(
            "/bin/sh",
            [
                "-c", #"trap '' XFSZ; ulimit -f 0; exec "$0" set "$1" --from-literal user=x 2>/dev/null"#,
                try Settings.required().binary, file,
            ], environment: environment
        ).outcome()
        #expect(outcome.status == 1)
        #expect(try folder.read("db.yaml") == before)
        #expect(try folder.names == ["db.yaml"])
    }

    @Test func setsUnsetsAndRotatesValues() async throws {
        _ = try await wrap()
        #expect(try await run(["set", file, "--from-literal", "new=1"]).output == "+ new\n")
        #expect(try await value("new") == "1")
        #expect(try await run(["unset", file, "new"]).output == "- new\n")
        #expect(try await value("new") == nil)
        _ = try await run(["unset", file, "new"], status: 1)
        #expect(try await run(["rotate-value", file, "password", "--length", "40"]).output == "~ password\n")
        let password = try #require(try await value("password"))
        #expect(password.utf8.count == 40)
        #expect(password != canary)
    }

    /// A process that is killed cannot clean up.
    @Test func removesTheFilesOfAKilledEdit() async throws {
        _ = try await wrap()
        let place = folder.path("where")
        // A separate folder, because the edits of other tests remove what they find in theirs.
        let memory = "/dev/shm/test-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: memory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: memory) }
        func left() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: memory) }
        let runtimeDirectory = ["XDG_RUNTIME_DIR": memory]
        let killed = try Program(
            try Settings.required().binary, ["edit", file],
            environment: environment.merging(try editor("echo $1 >\(place); exec sleep 600")) { $1 }
                .merging(runtimeDirectory) { $1 })
        let values = try await eventually("the editor is open") {
            let path = (try? folder.read("where"))?.split(separator: "\n").first.map(String.init)
            return path.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }
        }
        killed.signal(SIGKILL)
        #expect(try await killed.outcome().status == 137)
        #expect(try left().count == 1)
        _ = try await run(["edit", file], try editor("exit 0").merging(runtimeDirectory) { $1 })
        #expect(try left() == [])
        #expect(!FileManager.default.fileExists(atPath: values))
    }

    @Test func passesValuesAndNoKeyToAProgram() async throws {
        _ = try await wrap()
        let outcome = try await run(
            ["exec", file, "--all", "--", "sh", "-c", "echo $password; env | grep -c ^SB_; exit 7"], status: 7
        )
        #expect(outcome.output == "\(canary)\n0\n")
        _ = try await run(["exec", file, "--all", "--", "no-such-program"], status: 127)
        _ = try await run(["exec", file, "--all", "--", file], status: 126)
        let only = try await run(["exec", file, "--only", "user", "--", "sh", "-c", "echo $user$password"])
        #expect(only.output == "app\n")
        let undecided = try await run(["exec", file, "--", "echo", "it ran"], status: 64)
        #expect(undecided.output.isEmpty)
        #expect(undecided.errors.contains("--only password,user -- echo \u{2026};"), "\(undecided)")
        #expect(!undecided.errors.contains("it ran"), "\(undecided)")
        let noEntry = try await run(["exec", file, "--only", "--", "echo", "--bogus"], status: 64)
        #expect(noEntry.errors.contains("Missing value for '--only"), "\(noEntry)")
        let variable = try await run(["exec", file, "--all", "--", "A=\(canary)", "env"], status: 64)
        #expect(variable.errors.contains("is a variable and not a program"), "\(variable)")
        #expect(!variable.errors.contains(canary), "\(variable)")
    }

    @Test func passesTheDescriptorsOfTheUsersShellToAProgram() async throws {
        _ = try await wrap()
        let outcome = try await Program(
            "/bin/sh",
            [
                "-c", "exec 7</dev/null; exec \"$@\"", "sh", try Settings.required().binary, "exec", file,
                "--only", "user", "--", "ls", "/proc/self/fd",
            ],
            environment: environment
        ).outcome()
        #expect(outcome.output.split(separator: "\n").contains("7"), "\(outcome)")
    }

    @Test func refusesEntriesThatDetermineWhatRuns() async throws {
        _ = try await wrap()
        // Another program with the name of the intended one.
        try folder.writeProgram("env", "#!/bin/sh\necho theirs\n")
        _ = try await run([
            "set", file, "--from-literal", "PATH=\(folder.path)", "--from-literal", "user=app",
        ])
        let refused = try await run(["exec", file, "--all", "--", "env"], status: 1)
        #expect(refused.errors.contains("\"PATH\""))
        #expect(refused.output.isEmpty)
        let allowed = try await run(["exec", file, "--only", "PATH", "--", "env"])
        #expect(allowed.output.contains("PATH=\(folder.path)\n"), "\(allowed)")
        #expect(!allowed.output.contains("password="), "\(allowed)")
        let all = try await run(["exec", file, "--all", "--only", "PATH", "--", "env"])
        #expect(all.output.contains("PATH=\(folder.path)\n"), "\(all)")
        #expect(all.output.contains("password="), "\(all)")
    }

    @Test func escapesControlCharactersOfAFile() async throws {
        let text = try await wrap()
        let forged = text.replacing(/keyID: .*/, with: #"keyID: "local:\e[2J\nerror: all is well""#)
        try folder.write("db.yaml", forged)
        for (arguments, status): ([String], Int32) in [
            (["status", file], 0), (["status", "--by-key", file], 0),
            (["set", file, "--from-literal", "a=b"], 1),
            (["inspect", file], 1), (["verify", "--offline", file], 1),
        ] {
            let outcome = try await run(arguments, status: status)
            let said = outcome.output + outcome.errors
            #expect(!said.contains("\u{1B}"), "\(said)")
            #expect(!said.contains("\nerror: all is well"), "\(said)")
        }
    }
}
