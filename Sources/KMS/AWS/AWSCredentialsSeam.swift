import Primitives

/// Credentials as they stand in the environment.
struct EnvironmentCredentials: AWSCredentialsProvider {
    let environment: Environment

    func credentials() async throws(AWSCredentialsError) -> AWSCredentials {
        guard let id = environment.value("AWS_ACCESS_KEY_ID"),
            let secret = environment.inlineSecret("AWS_SECRET_ACCESS_KEY")
        else {
            throw AWSCredentialsError(
                .misconfigured, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
        }
        return AWSCredentials(
            accessKeyID: id, secretAccessKey: secret,
            sessionToken: environment.inlineSecret("AWS_SESSION_TOKEN"),
            expiration: nil)
    }

    func refused(_ credentials: AWSCredentials) -> Bool { false }
}
