import Envelope
import HTTP
import HTTPTypes

/// Cloud KMS at its address.
struct GCPService: CloudService {
    let address: ServerAddress
    let fields: HTTPFields

    init(_ settings: GCPSettings) {
        address = settings.address
        fields = settings.quotaProject.map { [.googUserProject: $0] } ?? [:]
    }

    var name: String { "Cloud KMS (\(address.url))" }
    var backend: String { GCPBackend.name }

    func remedy(for error: HTTPError) -> String? {
        switch error.code {
        case .certificateUntrusted, .caInvalid: "SSL_CERT_FILE names the CA's PEM file"
        case .nameNotResolved, .connectFailed, .connectTimedOut, .timedOut:
            "check the route to Google APIs (NAT, Private Google Access or proxy), and \(GCPSettings.endpointVariable) "
                + "if it is set"
        default: nil
        }
    }

    /// Describes an error response: subject, problem, remedy.
    func error(for response: CloudResponse, to request: CloudRequest) -> CloudError {
        guard let error = GoogleAPIError(response.body) else {
            let code: CloudError.Code =
                switch response.status {
                case 429: .throttled
                case 408, 500...: .unavailable
                default: .misconfigured
                }
            return CloudError(
                code,
                code == .misconfigured
                    ? "the server at \(address.url) is not Cloud KMS (HTTP \(response.status)); check "
                        + "\(GCPSettings.endpointVariable) and the proxy"
                    : "\(name) failed (HTTP \(response.status)); the request will be retried",
                retryAfter: response.retryAfter)
        }
        let (code, problem) = meaning(of: error, response, request)
        return CloudError(
            code, "\(name) \(problem)", retryAfter: response.retryAfter,
            concernsAllRequests: concernsAllRequests(code, error, request))
    }

    /// Returns nil where the code alone decides.
    private func concernsAllRequests(
        _ code: CloudError.Code, _ error: GoogleAPIError, _ request: CloudRequest
    ) -> Bool? {
        // A disabled API or a wrong token is no matter of one ciphertext.
        if error.status == "UNAUTHENTICATED" { return true }
        if code == .accessDenied, let reason = error.reason, reason != "IAM_PERMISSION_DENIED" { return true }
        // A tenant's recipient names the version, so that another rejection of it must not stop those of all tenants.
        return code == .misconfigured && request.operation == .unwrap ? false : nil
    }

    private func meaning(
        of error: GoogleAPIError, _ response: CloudResponse, _ request: CloudRequest
    ) -> (CloudError.Code, String) {
        switch error.status {
        case "UNAUTHENTICATED":
            (
                .accessDenied,
                "rejects the access token for \(request.action); check that the identity still exists and is of this "
                    + "universe domain"
            )
        case "PERMISSION_DENIED": (.accessDenied, denial(error, request))
        case "RESOURCE_EXHAUSTED":
            (
                .throttled,
                "throttles this project, whose callers share a quota of cryptographic requests; raise the quota, or set "
                    + "GOOGLE_CLOUD_QUOTA_PROJECT to a project of your own"
            )
        case "NOT_FOUND":
            (
                .keyUnavailable,
                "cannot find the key for \(request.description); check the project, location and names"
            )
        case "FAILED_PRECONDITION": (.keyUnavailable, precondition(error, request))
        case "INVALID_ARGUMENT" where error.isChecksumMismatch:
            (
                .corrupted,
                "received other bytes for \(request.action) than were sent (CRC-32C mismatch); check the proxy and this "
                    + "machine's memory"
            )
        case "INVALID_ARGUMENT" where request.operation == .unwrap && !error.isBadRequest:
            (
                .invalidCiphertext,
                "rejects the wrapped key for \(request.description): it was changed, wrapped by another key, or wrapped "
                    + "for another namespace, name or scope"
            )
        case "UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "ABORTED", "CANCELLED", "UNKNOWN", "DATA_LOSS":
            (
                .unavailable,
                "failed (HTTP \(response.status) \(error.status)); the request will be retried"
            )
        // An unknown error may have any cause, so that it is not terminal for the WrappedSecret.
        default:
            (
                .misconfigured,
                "rejects \(request.description) with \(error.description); check that the key's purpose is "
                    + "ENCRYPT_DECRYPT, or ASYMMETRIC_DECRYPT of a version, and see Cloud Audit Logs"
            )
        }
    }

    private func denial(_ error: GoogleAPIError, _ request: CloudRequest) -> String {
        switch error.reason {
        case "SERVICE_DISABLED":
            "is not enabled in the project that pays for the requests; enable cloudkms.googleapis.com, or set "
                + "GOOGLE_CLOUD_QUOTA_PROJECT to a project where it is enabled"
        case "USER_PROJECT_DENIED":
            "does not let this identity use the quota of that project; grant roles/serviceusage.serviceUsageConsumer, or "
                + "unset GOOGLE_CLOUD_QUOTA_PROJECT and quota_project_id"
        case "BILLING_DISABLED": "requires billing in the project; enable it"
        case "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
            "requires the scope cloud-platform or cloudkms; give the instance or node pool that access scope"
        case "SECURITY_POLICY_VIOLATED":
            "is protected by VPC Service Controls, which deny this network; add an access level or ingress rule"
        default:
            "denies \(request.description); grant \(role(request)) on the key to this identity, for example with gcloud "
                + "kms keys add-iam-policy-binding"
        }
    }

    private func role(_ request: CloudRequest) -> String {
        switch request.operation {
        case _ where request.action == GCPAsymmetricKeyManager.viewPermission:
            "roles/cloudkms.publicKeyViewer"
        case .unwrap: "roles/cloudkms.cryptoKeyDecrypter"
        case .wrap, .generateDataKey: "roles/cloudkms.cryptoKeyEncrypter"
        default: "roles/cloudkms.viewer"
        }
    }

    private func precondition(_ error: GoogleAPIError, _ request: CloudRequest) -> String {
        let start = "rejects \(request.description): the version of the key"
        if error.violations.contains("KEY_DESTROYED") {
            return "\(start) is destroyed, and what it wrapped is lost; wrap the values again"
        }
        if error.violations.contains("KEY_DESTROY_SCHEDULED") {
            return
                "\(start) is scheduled for destruction; restore and enable it (gcloud kms keys versions restore, then "
                + "enable)"
        }
        if error.violations.contains("KEY_DISABLED") {
            return "\(start) is disabled; enable it (gcloud kms keys versions enable)"
        }
        return "\(start) is not enabled, or there is no primary version; enable it, or set a primary version"
    }
}

extension HTTPField.Name {
    /// The project whose quota a request uses.
    static let googUserProject = googleName("X-Goog-User-Project")
    /// Must be in requests to the metadata server and in its responses, so that no other server is taken for it.
    static let metadataFlavor = googleName("Metadata-Flavor")

    private static func googleName(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is not a field name") }
        return name
    }
}
