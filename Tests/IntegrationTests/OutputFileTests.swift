import Foundation
import TestSupport
import Testing

/// `--output-file` of wrap, unwrap and import.
@Suite(.onRealServers)
struct OutputFileTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private static let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n"

    init() throws { folder = try TemporaryFolder() }

    private func run(
        _ arguments: [String], input: String = "", status: Int32 = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws -> Program.Outcome {
        try await secretsBridge(
            arguments, environment, input: Data(input.utf8), status: status, location: location)
    }

    /// Runs with a given umask, as that of the tests is unknown.
    private func run(umask: String, _ arguments: [String]) async throws -> Program.Outcome {
        try await Program(
            "/bin/sh",
            ["-c", "umask \(umask); exec \"$@\"", "sh", try Settings.required().binary] + arguments,
            environment: environment
        ).outcome()
    }

    private func mode(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path(name))
        return try #require(attributes[.posixPermissions] as? Int)
    }

    @Test func writesTheFileAndNothingToStandardOutput() async throws {
        try folder.write("secret.yaml", Self.secret)
        let wrapped = folder.path("wrapped.yaml")
        let outcome = try await run(["wrap", "-n", "payments", folder.path("secret.yaml"), "-w", wrapped])
        #expect(outcome.output == "")
        #expect(outcome.errors == "")
        #expect(try folder.read("wrapped.yaml").contains("kind: WrappedSecret"))
        let opened = try await run(["unwrap", wrapped, "--output-file", "-"])
        #expect(opened.output.contains("aHVudGVyMg=="))
        #expect(try folder.names == ["secret.yaml", "wrapped.yaml"])
    }

    @Test func keepsTheExistingFileIfTheRunFails() async throws {
        try folder.write("wrapped.yaml", "precious")
        for name in ["wrapped.yaml", "new.yaml"] {
            for command in [["wrap", "-n", "payments"], ["unwrap"]] {
                _ = try await run(command + ["-w", folder.path(name)], input: "kind: [", status: 1)
            }
        }
        #expect(try folder.read("wrapped.yaml") == "precious")
        #expect(try folder.names == ["wrapped.yaml"])
    }

    @Test func createsCiphertextWithTheUmaskAndPlaintextForTheOwnerOnly() async throws {
        try folder.write("secret.yaml", Self.secret)
        let (secret, wrapped, plain) = (
            folder.path("secret.yaml"), folder.path("wrapped.yaml"), folder.path("plain.yaml")
        )
        for (umask, expected) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
            try? folder.remove("wrapped.yaml")
            let outcome = try await run(umask: umask, ["wrap", "-n", "payments", secret, "-w", wrapped])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(try mode("wrapped.yaml") == expected)
        }
        #expect(try await run(umask: "000", ["unwrap", wrapped, "-w", plain]).status == 0)
        #expect(try mode("plain.yaml") == 0o600)
        // An existing file keeps its permissions for ciphertext, but not for plaintext.
        chmod(wrapped, 0o664)
        chmod(plain, 0o664)
        #expect(try await run(umask: "077", ["wrap", "-n", "payments", secret, "-w", wrapped]).status == 0)
        #expect(try mode("wrapped.yaml") == 0o664)
        #expect(try await run(umask: "000", ["unwrap", wrapped, "-w", plain]).status == 0)
        #expect(try mode("plain.yaml") == 0o600)
    }

    @Test func refusesAnUnwritablePathBeforeTheFirstRequest() async throws {
        try folder.write("there/x", "")
        try folder.link("dangling", to: "nowhere")
        chmod(try folder.write("fixed", "read-only"), 0o444)
        try folder.write("one", "twice")
        #expect(link(folder.path("one"), folder.path("two")) == 0)
        // No key is configured, so the path must be checked first.
        for (name, problem) in [
            ("there", "is a folder"), ("there/", "is a folder"), ("new/", "is the path of a folder"),
            ("nope/x.yaml", "No such file"), ("dangling", "is a link to a file that does not exist"),
            ("fixed", "read-only"), ("one", "hard links"), ("fixed/x", "Not a directory"),
        ] {
            let outcome = try await secretsBridge(
                ["wrap", "-n", "payments", "-w", folder.path(name)], [:], input: Data(Self.secret.utf8),
                status: 1,
                location: #_sourceLocation)
            #expect(
                outcome.errors.hasPrefix("error: cannot write \(folder.path(name)): "), "\(outcome.errors)")
            #expect(outcome.errors.contains(problem), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
        #expect(try folder.read("fixed") == "read-only")
        #expect(try folder.names == ["dangling", "fixed", "one", "there", "two"])
        _ = try await run(["wrap", "-w", ""], status: 64)
    }

    @Test func writesThroughASymbolicLink() async throws {
        try folder.write("real.yaml", "old")
        let link = try folder.link("link.yaml", to: "real.yaml")
        _ = try await run(["wrap", "-n", "payments", "-w", link], input: Self.secret)
        #expect(try folder.read("real.yaml").contains("kind: WrappedSecret"))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "real.yaml")
    }

    @Test func writesToPipesAndDevices() async throws {
        for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            let outcome = try await run(["wrap", "-n", "payments", "-w", path], input: Self.secret)
            #expect(outcome.output.contains("kind: WrappedSecret"), "\(path)")
        }
        _ = try await run(["wrap", "-n", "payments", "-w", "/dev/null"], input: Self.secret)
        let full = try await run(
            ["wrap", "-n", "payments", "-w", "/dev/full"], input: Self.secret, status: 1)
        #expect(full.errors == "error: cannot write /dev/full: No space left on device\n")
    }

    @Test func keepsTheFileOnAFullDisk() async throws {
        try folder.write("secret.yaml", Self.secret)
        try folder.write("wrapped.yaml", "precious")
        for name in ["wrapped.yaml", "new.yaml"] {
            let outcome = try await Program(
                "/bin/sh",
                [
                    "-c", #"trap '' XFSZ; ulimit -f 0; exec "$0" wrap -n payments "$1" -w "$2" 2>/dev/null"#,
                    try Settings.required().binary, folder.path("secret.yaml"), folder.path(name),
                ], environment: environment
            ).outcome()
            #expect(outcome.status == 1)
        }
        #expect(try folder.read("wrapped.yaml") == "precious")
        #expect(try folder.names == ["secret.yaml", "wrapped.yaml"])
    }

    @Test func importsIntoOneFileOrAFolder() async throws {
        try await TestNamespace.withShared { namespace in
            try await namespace.kubectl("create", "secret", "generic", "a", "--from-literal=k=1")
            try await namespace.kubectl("create", "secret", "generic", "b", "--from-literal=k=2")
            let settings = [
                "KUBECONFIG": namespace.cluster.kubeconfig, "SB_WRAP_MASTER_KEY": namespace.masterKey,
            ]
            let file = folder.path("all.yaml")
            let arguments = ["import", "-n", namespace.name, "a", "b", "-w", file]
            let outcome = try await secretsBridge(arguments, settings, location: #_sourceLocation)
            #expect(outcome.output == "")
            #expect(try folder.read("all.yaml").split(separator: "---\n").count == 2)
            let before = try folder.read("all.yaml")
            _ = try await secretsBridge(
                ["import", "-n", namespace.name, "a", "nope", "-w", file], settings, status: 1,
                location: #_sourceLocation)
            #expect(try folder.read("all.yaml") == before)
            let nothing = try await secretsBridge(
                ["import", "-n", namespace.name, "-l", "no=secret", "-w", file], settings,
                location: #_sourceLocation)
            #expect(nothing.errors.contains("there is nothing to import; \(file) was not written"))
            #expect(try folder.read("all.yaml") == before)
            _ = try await secretsBridge(
                arguments + ["--folder", folder.path("out")], settings, status: 64, location: #_sourceLocation
            )
            #expect(try folder.names == ["all.yaml"])
        }
    }
}
