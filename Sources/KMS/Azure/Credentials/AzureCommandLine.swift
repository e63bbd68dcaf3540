import Cryptography
import FoundationEssentials
import Glibc
import JSON
import Settings
import System

/// The user who is signed in to the Azure command line: `az account get-access-token`. The program inherits standard error, so
/// its messages never become part of an error here.
struct AzureCommandLine: Sendable {
    let name = "Azure CLI"
    let environment: @Sendable () -> [String: String]
    let clock: ClientClock
    var deadline = Duration.seconds(30)

    private static let maximumOutput = 64 * 1024

    /// Returns the path of the program, or nil if it is not installed.
    func program() -> String? {
        // A relative folder in PATH would run programs in the working directory.
        let folders = (environment()["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
        return try? ProgramSearch.path(of: "az", in: folders.joined(separator: ":"))
    }

    func token(for request: AzureTokenRequest, _ program: String) async throws(CloudError) -> CloudToken {
        guard request.claims == nil else {
            throw CloudError(
                .accessDenied,
                "\(name): the vault demands that the user signs in again; run az logout and az login",
                concernsAllRequests: true)
        }
        var arguments = ["account", "get-access-token", "--output", "json", "--resource", request.resource]
        if let tenant = request.tenant { arguments += ["--tenant", tenant] }
        let process = ChildProcess(
            executable: program, arguments: arguments, environment: environment(), isInteractive: false,
            outputLimit: Self.maximumOutput, deadline: deadline)
        let result: ChildProcess.Completion
        do throws(ChildProcess.RunError) {
            result = try await process.run()
        } catch {
            throw runFailed(error)
        }
        guard result.exitCode == 0 else {
            throw CloudError(
                .accessDenied,
                "\(name): az ended with exit code \(result.exitCode); see its messages on standard error, and run az login",
                concernsAllRequests: true)
        }
        return try token(in: result.output)
    }

    private func token(in output: SharedSecret) throws(CloudError) -> CloudToken {
        guard let json = try? JSONValue(parsing: output.bytes),
            let text = json["accessToken"]?.nonEmptySecret, let value = HeaderValue.visibleASCII(text.bytes)
        else {
            throw CloudError(
                .misconfigured,
                "\(name): az did not print a JSON object with accessToken; update the Azure CLI")
        }
        let end = json["expires_on"]?.double ?? json["expiresOn"]?.string.flatMap(Self.localTime)
        guard let end else {
            throw CloudError(.misconfigured, "\(name): az did not print expires_on; update the Azure CLI")
        }
        let lifetime = min(end - clock.date().timeIntervalSince1970, OAuthTokenEndpoint.maximumLifetime)
        guard lifetime >= 1 else {
            throw CloudError(
                .unavailable, "\(name): the token had expired when it arrived; check this machine's clock")
        }
        return CloudToken(value: value, lifetime: .seconds(lifetime))
    }

    /// Returns the seconds since 1970 of a local time: `2026-01-31 12:00:00.000000`, as versions before 2.54 print it alone.
    private static func localTime(_ text: String) -> Double? {
        let numbers = text.prefix { $0 != "." }.split { "-: ".contains($0) }.map { Int32($0) }
        guard numbers.count == 6, let year = numbers[0], let month = numbers[1], let day = numbers[2],
            let hour = numbers[3], let minute = numbers[4], let second = numbers[5],
            1970...9999 ~= year, 1...12 ~= month
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, month - 1, day)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
        parts.tm_isdst = -1
        let time = mktime(&parts)
        return time == -1 ? nil : Double(time)
    }

    private func runFailed(_ failure: ChildProcess.RunError) -> CloudError {
        switch failure {
        case .cannotStart(let code):
            CloudError(
                .misconfigured,
                "\(name): cannot run az: \(strerror(code).map { String(cString: $0) } ?? "error \(code)")")
        case .deadlineExceeded:
            CloudError(
                .unavailable, "\(name): az did not end within \(deadline.components.seconds) s and was killed"
            )
        case .tooMuchOutput:
            CloudError(
                .misconfigured, "\(name): az printed more than \(Self.maximumOutput) bytes and was killed")
        }
    }
}
