import Primitives

/// Keys that stand in variables.
///
/// Source: AWS SDKs and Tools Reference Guide, "AWS access keys".
struct AWSEnvironmentCredentials: AWSCredentialsSource {
    let name = "environment"
    let environment: Environment

    static let keyID = "AWS_ACCESS_KEY_ID"
    static let secret = "AWS_SECRET_ACCESS_KEY"
    static let token = "AWS_SESSION_TOKEN"

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        let id = environment.inlineSecret(Self.keyID)
        let secret = environment.inlineSecret(Self.secret)
        switch (id, secret) {
        case (nil, nil): return nil
        case (.some(let id), .some(let secret)):
            guard
                let credentials = AWSCredentials(
                    accessKeyID: id, secretAccessKey: secret,
                    sessionToken: environment.inlineSecret(Self.token))
            else {
                throw AWSCredentialsError(
                    .misconfigured,
                    "\(name): \(Self.keyID), \(Self.secret) or \(Self.token) is not one word of visible ASCII"
                )
            }
            return credentials
        case (.some, nil): throw half(Self.keyID, without: Self.secret)
        case (nil, .some): throw half(Self.secret, without: Self.keyID)
        }
    }

    private func half(_ present: String, without missing: String) -> AWSCredentialsError {
        AWSCredentialsError(
            .misconfigured, "\(name): \(present) is set without \(missing); set both, or unset both")
    }
}
