import Cryptography
import FoundationEssentials
import Glibc
import Settings
import System

/// Credentials that a program prints: the `credential_process` of a profile. The program inherits standard error, so its
/// messages never become part of an error here.
///
/// Source: AWS SDKs and Tools Reference Guide, "Process credential provider".
struct AWSProcessCredentials: AWSCredentialsSource {
    /// `profile dev: credential_process`
    let name: String
    let command: String
    /// The program's environment, without the settings of Secrets Bridge.
    let environment: [String: String]
    var deadline = Duration.seconds(60)

    private static let maximumOutput = 64 * 1024

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        guard let words = ShellWords.split(command), let program = words.first else {
            throw misconfigured("the command is empty, or has a quote that is not closed")
        }
        guard let executable = locate(program) else {
            throw misconfigured(
                "cannot run \(program.sanitizedName): there is no such program; install it, or write its path"
            )
        }
        let process = ChildProcess(
            executable: executable, arguments: Array(words.dropFirst()), environment: environment,
            isInteractive: false, outputLimit: Self.maximumOutput, deadline: deadline)
        let result: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            result = try await process.run()
        } catch {
            throw runFailed(error, program)
        }
        guard result.exitCode == 0 else {
            throw AWSCredentialsError(
                .unavailable,
                "\(name): \(program.sanitizedName) ended with exit code \(result.exitCode); see its messages on standard error"
            )
        }
        guard let document = AWSCredentialsDocument(result.output.bytes), document.version == 1 else {
            throw misconfigured("\(program.sanitizedName) did not print a JSON object with \"Version\": 1")
        }
        return try document.credentials(token: "SessionToken", needsExpiration: false, from: name)
    }

    /// Returns `program` if it has a slash, or its first match in PATH.
    private func locate(_ program: String) -> String? {
        guard !program.contains("/") else { return access(program, X_OK) == 0 ? program : nil }
        // A relative folder in PATH would run programs in the working directory.
        return (environment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
            .map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    private func runFailed(_ failure: ChildProcess.RunError, _ program: String) -> AWSCredentialsError {
        switch failure {
        case .cannotStart(let code):
            misconfigured(
                "cannot run \(program.sanitizedName): \(strerror(code).map { String(cString: $0) } ?? "error \(code)")"
            )
        case .deadlineExceeded:
            AWSCredentialsError(
                .unavailable,
                "\(name): \(program.sanitizedName) did not end within \(deadline.components.seconds) s and was killed"
            )
        case .tooMuchOutput:
            misconfigured(
                "\(program.sanitizedName) printed more than \(Self.maximumOutput) bytes and was killed")
        }
    }

    private func misconfigured(_ problem: String) -> AWSCredentialsError {
        AWSCredentialsError(.misconfigured, "\(name): \(problem)")
    }
}

/// Splits a command line into words like a POSIX shell, without variables, patterns and substitutions.
enum ShellWords {
    /// Returns nil if a quote is not closed or the line ends in a backslash.
    static func split(_ line: String) -> [String]? {
        var words: [String] = []
        var word = ""
        // True if a word has begun, which may still be empty: ''.
        var isInWord = false
        var quote: Character?
        var isEscaped = false
        for character in line {
            if isEscaped {
                // In double quotes a backslash is literal before most characters.
                if quote == "\"", character != "\"", character != "\\" { word.append("\\") }
                word.append(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
                isInWord = true
            } else if character == quote {
                quote = nil
            } else if quote != nil {
                word.append(character)
            } else if character == "'" || character == "\"" {
                quote = character
                isInWord = true
            } else if character.isWhitespace {
                if isInWord { words.append(word) }
                (word, isInWord) = ("", false)
            } else {
                word.append(character)
                isInWord = true
            }
        }
        guard quote == nil, !isEscaped else { return nil }
        return isInWord ? words + [word] : words
    }
}
