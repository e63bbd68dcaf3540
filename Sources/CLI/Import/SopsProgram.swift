package import Cryptography
import System

/// Decrypts files with the user's own sops, so that its keys stay with it.
package struct SopsProgram: Sendable {
    private let executable: String
    private let environment: [String: String]
    private let isInteractive: Bool
    private let timeout: Duration
    private let report: @Sendable (String) -> Void

    /// The time for a file, in which the user may have to confirm the use of a key.
    private static let defaultTimeout = Duration.seconds(120)
    private static let outputLimit = 32 << 20
    private static let errorLimit = 64 << 10
    private static let maximumLines = 30
    private static let maximumLineLength = 400

    /// - Parameters:
    ///   - environment: The environment that sops gets, and the PATH on which it is found.
    ///   - isInteractive: True if sops may prompt at the terminal, for example for a passphrase.
    ///   - report: Gets each line that sops writes to standard error.
    /// - Throws: `InputError` if there is no sops on the PATH.
    package init(
        environment: [String: String], isInteractive: Bool, timeout: Duration? = nil,
        report: @escaping @Sendable (String) -> Void
    ) throws(InputError) {
        do throws(ProgramSearch.SearchError) {
            executable = try ProgramSearch.path(of: "sops", in: environment["PATH"])
        } catch {
            switch error {
            case .notFound:
                throw InputError(
                    "--sops needs the program sops, and there is none on the PATH; install it, as the keys of the files stay "
                        + "with it")
            case .notExecutable(let reason): throw InputError("cannot run sops: \(reason)")
            }
        }
        self.environment = environment
        self.isInteractive = isInteractive
        self.timeout = timeout ?? Self.defaultTimeout
        self.report = report
    }

    /// Returns the plaintext of a file, as YAML for a YAML file, and else as JSON. As JSON, sops would drop all documents of a
    /// YAML file but the first.
    package func decrypt(_ path: String) async throws(InputError) -> SharedSecret {
        let format = try Self.outputFormat(of: path)
        let process = ChildProcess(
            executable: executable,
            // A path that begins with a dash would be an option.
            arguments: ["-d", "--output-type", format, path.hasPrefix("-") ? "./\(path)" : path],
            environment: environment, isInteractive: isInteractive, outputLimit: Self.outputLimit,
            deadline: timeout, errorLimit: Self.errorLimit)
        let completion: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            completion = try await process.run()
        } catch {
            throw InputError("cannot decrypt \(path): \(Self.description(of: error, timeout))")
        }
        let lines = Self.lines(completion.errors)
        lines.forEach { report("sops: \($0)") }
        guard completion.exitCode == 0 else {
            throw InputError(
                "cannot decrypt \(path): sops ended with \(completion.exitCode)"
                    + (lines.isEmpty ? "" : ", for the reason in its messages above")
                    + "; sops -d \(path.shellQuotedPath) has to succeed first")
        }
        return completion.output
    }

    /// - Throws: `InputError` for a file that sops reads as one binary value, or with sections.
    private static func outputFormat(of path: String) throws(InputError) -> String {
        let name = (path.split(separator: "/").last.map(String.init) ?? path).lowercased()
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return "yaml" }
        if name.hasSuffix(".json") || name.hasSuffix(".env") { return "json" }
        throw InputError(
            path,
            "is none of .yaml, .yml, .json and .env, so sops decrypts it to one value; wrap that: sops -d \(path.shellQuotedPath) | "
                + "secrets-bridge wrap -n NAMESPACE --name NAME --from-file ENTRY=/dev/stdin")
    }

    private static func description(of error: ChildProcess.RunError, _ timeout: Duration) -> String {
        switch error {
        case .cannotStart(let code): "sops cannot be started (error \(code)); check the installation"
        case .deadlineExceeded:
            "sops did not end within \(timeout.components.seconds) seconds and was stopped; run sops -d yourself to see what it "
                + "waits for"
        case .tooMuchOutput: "sops printed more than \(outputLimit >> 20) MiB; split the file"
        }
    }

    /// Returns the lines of sops's messages, which are no secrets. Other users' file names may be in them.
    private static func lines(_ errors: SharedSecret) -> [String] {
        let text = errors.bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let lines = text.split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
            .filter { line in line.contains { $0 != " " } }
            .map { $0.truncated(toUTF8: maximumLineLength) }
        guard lines.count > maximumLines else { return lines }
        return lines.prefix(maximumLines) + ["(\(lines.count - maximumLines) more lines)"]
    }
}
