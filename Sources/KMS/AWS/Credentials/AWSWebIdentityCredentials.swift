import Cryptography
import Settings
import System

/// A role for a token in a file that the platform replaces: IAM roles for service accounts (IRSA).
///
/// Source: AWS SDKs and Tools Reference Guide, "Assume role credential provider", "Federate with web
/// identity".
struct AWSWebIdentityCredentials: AWSCredentialsSource {
    let name = "web identity"
    let context: AWSCredentialsContext

    static let tokenFileVariable = "AWS_WEB_IDENTITY_TOKEN_FILE"
    static let roleVariable = "AWS_ROLE_ARN"
    static let sessionNameVariable = "AWS_ROLE_SESSION_NAME"

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let environment = context.environment
        guard let file = environment.value(Self.tokenFileVariable) else { return nil }
        guard let arn = environment.value(Self.roleVariable) else {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): \(Self.tokenFileVariable) is set without \(Self.roleVariable); set both")
        }
        let role = try AWSAssumedRole(
            arn: arn, sessionName: environment.value(Self.sessionNameVariable), from: name)
        let service = try context.tokenService(for: name, try AWSProfiles.load(from: environment))
        return try await service.assume(role, webIdentity: Self.token(in: file, for: name))
    }

    /// Reads the token each time, as the platform replaces it before it expires.
    ///
    /// - Parameter setting: The setting that names the file, for messages.
    static func token(
        in file: String, for name: String, setting: String = tokenFileVariable
    ) throws(AWSCredentialsError) -> SharedSecret {
        let content: SecretBytes
        do throws(FileError) {
            content = try SecretBytes(contentsOfFile: file, limit: 64 * 1024)
        } catch {
            throw AWSCredentialsError(
                .misconfigured,
                "\(name): the token file (\(setting)) cannot be read: \(error.redactedDescription)")
        }
        guard let token = HeaderValue.visibleASCII(content), (4...20_000).contains(token.count) else {
            throw AWSCredentialsError(
                .misconfigured, "\(name): \(file) does not contain a token, which is one word")
        }
        return token
    }
}
