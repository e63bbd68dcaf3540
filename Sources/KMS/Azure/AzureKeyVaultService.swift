import Envelope
import HTTP
import HTTPTypes
import JSON

/// Describes the errors of Azure Key Vault and Managed HSM.
///
/// Source: "Azure Key Vault REST API error codes", "Azure Key Vault throttling guidance".
struct AzureKeyVaultService: CloudService {
    let vault: AzureVault

    var name: String {
        "\(vault.isManagedHSM ? "Azure Managed HSM" : "Azure Key Vault") (\(vault.address.url))"
    }
    var address: ServerAddress { vault.address }
    var backend: String { AzureBackend.name }
    var fields: HTTPFields { [:] }

    func error(for response: CloudResponse, to request: CloudRequest) -> CloudError {
        let code = AzureErrorCode(response)
        let operation = request.description
        func error(_ code: CloudError.Code, _ problem: String, all: Bool? = nil) -> CloudError {
            CloudError(
                code, "\(name) \(problem)", retryAfter: response.retryAfter, concernsAllRequests: all)
        }
        switch response.status {
        case 401:
            return error(
                .accessDenied,
                "rejects the access token for \(operation); check that the identity is of the vault's tenant and is not "
                    + "disabled", all: true)
        case 429:
            return error(
                .throttled,
                "throttles \(operation): all callers share the vault's quota of operations in 10 seconds; spread keys over "
                    + "several vaults if this lasts")
        case 408, 500...:
            return error(.unavailable, "failed (HTTP \(response.status)); the request will be retried")
        case _ where code.name == nil:
            return error(
                .misconfigured,
                "responds to \(operation) with HTTP \(response.status) and is not Azure Key Vault; check the vault's URL "
                    + "and the proxy", all: true)
        case 403: return forbidden(code, request, response)
        case 404 where code.name == "VaultNotFound":
            return error(.misconfigured, "does not exist; check the vault's URL", all: true)
        case 404:
            return error(
                .keyUnavailable,
                "cannot find the key for \(operation): its name or version is wrong, or it was deleted (az keyvault key "
                    + "recover)")
        case 400 where request.operation == .unwrap:
            return error(
                .invalidCiphertext,
                "rejects the wrapped key for \(operation): it was changed, or another key or version wrapped it"
            )
        default:
            let shown = code.printableName.map { " \($0)" } ?? ""
            return error(
                .misconfigured,
                "rejects \(operation) (HTTP \(response.status)\(shown)); use an RSA key of at least 2048 bits, or a "
                    + "symmetric key of 256 bits on Managed HSM", all: false)
        }
    }

    private func forbidden(
        _ code: AzureErrorCode, _ request: CloudRequest, _ response: CloudResponse
    ) -> CloudError {
        func error(_ code: CloudError.Code, _ problem: String, all: Bool = false) -> CloudError {
            CloudError(
                code, "\(name) rejects \(request.description): \(problem)", retryAfter: response.retryAfter,
                concernsAllRequests: all)
        }
        switch code.inner {
        case "KeyDisabled":
            return error(
                .keyUnavailable,
                "the key version is disabled; enable it (az keyvault key set-attributes --enabled true)")
        case "KeyExpired", "KeyNotYetValid", "KeyNotYetValidOrExpired":
            return error(
                .keyUnavailable,
                "the key version is not valid at this time; change its dates, or rotate the key")
        case "KeyOperationForbidden":
            return error(
                .keyUnavailable,
                "the key does not permit this operation; add it (az keyvault key set-attributes --ops)")
        case "ForbiddenByFirewall", "ForbiddenByConnection":
            return error(
                .accessDenied,
                "the vault's firewall does not admit this address; admit it, or use a private endpoint",
                all: true)
        default:
            // A role is assigned for a key or a vault, not for a version, so all requests are denied.
            return error(
                .accessDenied,
                "the identity lacks the permission; assign a role with the data action \(dataAction(request)) on the key, "
                    + "or an access policy with \(request.action)", all: true)
        }
    }

    private func dataAction(_ request: CloudRequest) -> String {
        "Microsoft.KeyVault/\(vault.isManagedHSM ? "managedHsm" : "vaults")/keys/"
            + (request.action == AzureKeyManager.getAction
                ? "read" : request.operation == .unwrap ? "unwrap/action" : "wrap/action")
    }

    func remedy(for error: HTTPError) -> String? {
        switch error.code {
        case .certificateUntrusted, .caInvalid: "\(AzureSettings.caVariable) names the CA's PEM file"
        case .nameNotResolved:
            "check the vault's URL (a vault that does not exist has no name in DNS), and the zone of a private endpoint"
        case .connectFailed, .connectTimedOut, .timedOut:
            "check the route to the vault (firewall, private endpoint) and the proxy (HTTPS_PROXY, NO_PROXY)"
        default: nil
        }
    }
}

/// The codes of an error response: `{"error": {"code": "Forbidden", "innererror": {"code": "KeyDisabled"}}}`.
struct AzureErrorCode: Sendable {
    let name: String?
    let inner: String?

    init(_ response: CloudResponse) {
        let error = response.body?["error"]
        name = error?["code"]?.string
        inner = (error?["innererror"] ?? error?["innerError"])?["code"]?.string
    }

    /// The name, if it is one word that cannot be anything else than a code.
    var printableName: String? {
        name.flatMap {
            (1...64).contains($0.utf8.count) && $0.utf8.allSatisfy(AzureIdentifier.isAlphanumericOrHyphen)
                ? $0 : nil
        }
    }
}
