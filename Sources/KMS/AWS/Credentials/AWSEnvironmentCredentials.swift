import System

/// Keys that stand in variables.
///
/// Source: AWS SDKs and Tools Reference Guide, "AWS access keys".
struct AWSEnvironmentCredentials: AWSCredentialsSource {
    let name = "environment"
    let environment: Environment

    static let accessKeyIDVariable = "AWS_ACCESS_KEY_ID"
    static let secretAccessKeyVariable = "AWS_SECRET_ACCESS_KEY"
    static let sessionTokenVariable = "AWS_SESSION_TOKEN"

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let id = environment.inlineSecret(Self.accessKeyIDVariable)
        let secret = environment.inlineSecret(Self.secretAccessKeyVariable)
        switch (id, secret) {
        case (nil, nil): return nil
        case (.some(let id), .some(let secret)):
            guard
                let credentials = AWSCredentials(
                    accessKeyID: id, secretAccessKey: secret,
                    sessionToken: environment.inlineSecret(Self.sessionTokenVariable))
            else {
                throw AWSCredentialsError(
                    .misconfigured,
                    "\(name): \(Self.accessKeyIDVariable), \(Self.secretAccessKeyVariable) or \(Self.sessionTokenVariable) is not one word of visible ASCII"
                )
            }
            return credentials
        case (.some, nil): throw half(Self.accessKeyIDVariable, without: Self.secretAccessKeyVariable)
        case (nil, .some): throw half(Self.secretAccessKeyVariable, without: Self.accessKeyIDVariable)
        }
    }

    private func half(_ present: String, without missing: String) -> AWSCredentialsError {
        AWSCredentialsError(
            .misconfigured, "\(name): \(present) is set without \(missing); set both, or unset both")
    }
}
