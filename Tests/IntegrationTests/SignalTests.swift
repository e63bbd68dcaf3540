import Foundation
import TestSupport
import Testing

/// A child process inherits the signal dispositions that the command itself was started with. Threads of libdispatch block
/// nearly all signals, and a program that inherits such a mask gets neither Ctrl-C nor the SIGTERM of a pod.
@Suite(.onRealServers)
struct SignalTests {
    private let folder: TemporaryFolder
    private let environment = ["SB_WRAP_MASTER_KEY": BadInputTests.masterKey]
    private let file: String
    /// A shell command that writes its signal masks from `/proc` to the file `status`.
    private let report: String

    init() async throws {
        folder = try TemporaryFolder()
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {user: app}\n"
        let wrapped = try await secretsBridge(
            ["wrap", "-n", "payments"], environment, input: Data(secret.utf8), status: 0,
            canary: UUID().uuidString,
            location: #_sourceLocation)
        file = try folder.write("db.yaml", wrapped.output)
        report = "grep ^Sig /proc/self/status >\(folder.path("status"))"
    }

    /// Starts the command as a shell does after `trap '' SIGNALS`, and waits for its end.
    private func run(
        _ arguments: [String], ignoring signals: String, _ more: [String: String] = [:]
    ) async throws {
        let script = (signals.isEmpty ? "" : "trap '' \(signals); ") + #"exec "$0" "$@""#
        let program = try Program(
            "/bin/sh", ["-c", script, try Settings.required().binary] + arguments,
            environment: environment.merging(more) { $1 })
        let outcome = try await program.outcome()
        #expect(outcome.status == 0 || !more.isEmpty, "\(outcome.errors)")
    }

    private func signals(_ field: String) throws -> UInt64? {
        let lines = try folder.read("status").split(separator: "\n").map { $0.split(separator: "\t") }
        return lines.first { $0.first == "\(field):" }.flatMap { UInt64($0[1], radix: 16) }
    }

    /// The bits of the masks are SIGHUP 1, SIGINT 2, SIGQUIT 3 and SIGPIPE 13. glibc's posix_spawn(3) ignores 32 and 33.
    private func check(ignored: UInt64) throws {
        #expect(try signals("SigBlk") == 0)
        #expect(try signals("SigIgn").map { $0 & ~(3 << 31) } == ignored)
    }

    @Test(arguments: [("", 0), ("HUP", 0x1), ("HUP INT QUIT PIPE", 0x1007)] as [(String, UInt64)])
    func execRestoresTheSignals(signals: String, ignored: UInt64) async throws {
        try await run(["exec", file, "--all", "--", "sh", "-c", report], ignoring: signals)
        try check(ignored: ignored)
    }

    @Test(arguments: [("", 0), ("HUP", 0x1), ("HUP INT QUIT PIPE", 0x1007)] as [(String, UInt64)])
    func anEditorInheritsTheSignals(signals: String, ignored: UInt64) async throws {
        let editor = try folder.write("editor.sh", "#!/bin/sh\n\(report)\n")
        try await run(["edit", file], ignoring: signals, ["EDITOR": "/bin/sh \(editor)"])
        try check(ignored: ignored)
    }

    @Test(arguments: [("", 0), ("HUP QUIT", 0x5)] as [(String, UInt64)])
    func aCredentialPluginInheritsTheSignals(signals: String, ignored: UInt64) async throws {
        try folder.write("plugin.sh", "\(report)\nexit 1\n")
        let kubeconfig = try folder.write(
            "config",
            """
            current-context: c
            contexts: [{name: c, context: {cluster: l, user: u}}]
            clusters: [{name: l, cluster: {server: "https://127.0.0.1:1"}}]
            users:
            - name: u
              user:
                exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: /bin/sh, args: ["\(folder.path("plugin.sh"))"]}
            """)
        try await run(["status", "-n", "payments"], ignoring: signals, ["KUBECONFIG": kubeconfig])
        try check(ignored: ignored)
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    func signalsEndTheProgram(number: Int32) async throws {
        let program = try Program(
            try Settings.required().binary,
            ["exec", file, "--all", "--", "sh", "-c", "echo ready; exec sleep 600"], environment: environment)
        _ = try await eventually("the program runs") { program.output.isEmpty ? nil : true }
        program.signal(number)
        #expect(try await program.outcome(within: .seconds(60)).status == 128 + number)
    }
}
