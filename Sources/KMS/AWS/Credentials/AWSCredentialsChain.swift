/// The first source that is configured gives the credentials; looked up anew each time. One that is
/// configured and broken ends the search: what comes after it would be somebody else's credentials.
struct AWSCredentialsChain: AWSCredentialsSource {
    let name = "AWS credentials"
    private let sources: [any AWSCredentialsSource]

    private static let advice =
        "on EKS, give the service account a role: the annotation eks.amazonaws.com/role-arn (IRSA), which sets "
        + "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, or a pod identity association"

    /// `sources`: in the order in which they are asked.
    init(_ sources: [any AWSCredentialsSource]) {
        self.sources = sources
    }

    /// Never nil.
    func credentials() async throws(AWSCredentialsError) -> AWSCredentials? {
        var tried: [String] = []
        for source in sources {
            do throws(AWSCredentialsError) {
                if let credentials = try await source.credentials() { return credentials }
            } catch {
                guard source.isImplicit, error.code != .cancelled else { throw error }
                throw AWSCredentialsError(
                    error.code,
                    "no AWS credentials are configured (\(tried.joined(separator: ", "))), and \(error.message); "
                        + Self.advice, retryAfter: error.retryAfter)
            }
            tried.append(source.name)
        }
        throw AWSCredentialsError(
            .misconfigured,
            "no AWS credentials are configured (\(tried.joined(separator: ", "))); \(Self.advice)")
    }
}
