import Cryptography
import FoundationEssentials
import Glibc
import System

/// Credentials that a program prints: `credential_process` of a profile. What it says on standard error goes
/// where ours goes, and into no error.
///
/// Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
struct AWSProcessCredentials: AWSCredentialsSource {
    /// `profile dev: credential_process`
    let name: String
    let command: String
    /// Of the program; without our own settings.
    let environment: [String: String]
    var deadline = Duration.seconds(60)

    private static let maximumOutput = 64 * 1024

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard let words = ShellWords.split(command), let program = words.first else {
            throw wrong("the command is empty, or a quote in it has no end")
        }
        guard let executable = locate(program) else {
            throw wrong("cannot run \(program.sanitizedName): it is not there; install it, or write its path")
        }
        let process = ChildProcess(
            executable: executable, arguments: Array(words.dropFirst()), environment: environment,
            isInteractive: false, outputLimit: Self.maximumOutput, deadline: deadline)
        let result: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            result = try await process.run()
        } catch {
            throw failure(error, program)
        }
        guard result.exitCode == 0 else {
            throw AWSCredentialsError(
                .unavailable,
                "\(name): \(program.sanitizedName) ended with exit code \(result.exitCode); see its messages on standard error"
            )
        }
        guard let document = AWSCredentialsDocument(result.output.bytes), document.version == 1 else {
            throw wrong("\(program.sanitizedName) printed no JSON object with \"Version\": 1")
        }
        return try document.credentials(token: "SessionToken", needsExpiration: false, from: name)
    }

    /// The path of the program: itself if it has a slash, else the first match in PATH.
    private func locate(_ program: String) -> String? {
        guard !program.contains("/") else { return access(program, X_OK) == 0 ? program : nil }
        // A relative folder in PATH would run whatever lies in the working folder.
        return (environment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
            .map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    private func failure(_ failure: ChildProcess.RunError, _ program: String) -> AWSCredentialsError {
        switch failure {
        case .cannotStart(let code):
            wrong(
                "cannot run \(program.sanitizedName): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
            )
        case .deadlineExceeded:
            AWSCredentialsError(
                .unavailable,
                "\(name): \(program.sanitizedName) did not end within \(deadline.components.seconds) s and was killed"
            )
        case .tooMuchOutput:
            wrong("\(program.sanitizedName) printed more than \(Self.maximumOutput) bytes and was killed")
        }
    }

    private func wrong(_ what: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "\(name): \(what)")
    }
}
