import Glibc
import HTTP
import HTTPTypes
import System

extension VaultResponse {
    /// Returns the meaning of a response whose status is not 2xx.
    ///
    /// - Parameter path: The path of the request, for the message.
    func error(for path: String, at endpoint: VaultEndpoint) -> VaultError {
        if [301, 302, 303, 307, 308].contains(status) { return redirectError(for: path, at: endpoint) }
        if isFromTLSPort {
            return VaultError(
                .misconfigured,
                "\(endpoint) speaks TLS and was asked in plain http; use https:// in \(VaultVariables.address)"
            )
        }
        guard isFromVault else { return proxyError(at: endpoint) }
        switch status {
        case 403:
            return VaultError(
                .denied,
                "\(endpoint) denies \(path): the token is not valid any more, or its policies lack "
                    + "path \"\(path)\" { capabilities = [\"\(path.split(separator: "/").dropLast().last == "keys" ? "read" : "update")\"] }"
            )
        case 400, 404, 405, 413:
            return VaultError(VaultRejection(status: status, text: errorText), of: path, at: endpoint)
        case 472, 473, 474:
            return VaultError(
                .standby,
                "\(endpoint) is a standby and does not serve; set \(VaultVariables.address) to the active node, "
                    + "or to a load balancer that finds it")
        case 412:
            return VaultError(.standby, "\(endpoint) is a standby that has not caught up yet")
        case 429:
            return VaultError(
                .rateLimited,
                "\(endpoint) limits the rate of requests; raise its quota (sys/quotas/rate-limit)",
                retryAfter: retryAfter)
        case 501:
            return VaultError(
                .notInitialized, "\(endpoint) is not initialised; initialise and unseal it (operator init)")
        case 503 where errorText.lowercased().contains("sealed"):
            // OpenBao reports a server that was never initialised as sealed, too.
            return VaultError(
                .sealed, "\(endpoint) is sealed; unseal it (operator unseal), or initialise it if it is new")
        case 503 where errorText.lowercased().contains("not initialized"):
            return VaultError(
                .notInitialized, "\(endpoint) is not initialised; initialise and unseal it (operator init)")
        case 500 where errorText.lowercased().contains(VaultRejection.rsaDecryptionFailure):
            return VaultError(VaultRejection(status: status, text: errorText), of: path, at: endpoint)
        case 500 where errorText.contains("standby") || errorText.contains("node not active"):
            return VaultError(
                .standby,
                "\(endpoint) is a standby and has no active node; one is being elected, or all are sealed")
        case 500 where errorText.contains("past the max TTL"):
            // Vault rejects a renewal with this status: it is no failure of Vault.
            return VaultError(
                .denied, "\(endpoint) does not renew the token: it has reached its maximum age, token_max_ttl"
            )
        default:
            return VaultError(.serverError, "\(endpoint) failed (HTTP \(status)); see the log of Vault")
        }
    }

    private var retryAfter: Duration? {
        headerFields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) }
    }

    /// Returns the meaning of a response that a proxy before Vault sent, or another server in its place.
    private func proxyError(at endpoint: VaultEndpoint) -> VaultError {
        let sender = senderName.map { "probably \($0)" } ?? "a proxy, a firewall or a login page before it"
        switch status {
        case 429:
            return VaultError(
                .rateLimited,
                "what limits the rate of requests to \(endpoint) is not Vault (HTTP 429), but \(sender); raise its "
                    + "limit",
                retryAfter: retryAfter)
        case 500...:
            return VaultError(
                .serverError,
                "\(endpoint), or a proxy before it, failed (HTTP \(status), from \(sender), without an error of "
                    + "Vault's); see the logs of both")
        case 407:
            return VaultError(
                .misconfigured,
                "the proxy before \(endpoint) requires a login (HTTP 407); put user and password into HTTPS_PROXY, "
                    + "or the host into NO_PROXY")
        case 401, 403:
            return VaultError(
                .misconfigured,
                "what refuses the request at \(endpoint) is not Vault (HTTP \(status)), but \(sender); let the "
                    + "request pass there, or check \(VaultVariables.address)")
        default:
            return VaultError(
                .misconfigured,
                "what answers at \(endpoint) is not Vault (HTTP \(status)), but \(sender); check "
                    + VaultVariables.address)
        }
    }

    /// Returns the meaning of a redirect, which is not followed: a token is sent to the address of the settings only.
    private func redirectError(for path: String, at endpoint: VaultEndpoint) -> VaultError {
        let target = headerFields[.location].flatMap { VaultRedirect($0, from: endpoint.address, path: path) }
        guard let target else {
            return VaultError(
                .standby,
                "\(endpoint) is a standby and does not serve (HTTP \(status)); set \(VaultVariables.address) to the "
                    + "active node, or to a load balancer that finds it")
        }
        let message =
            "\(endpoint) redirects to \(target.displayURL) (HTTP \(status)), which is not followed; "
        guard !target.downgradesToHTTP else {
            return VaultError(
                .misconfigured,
                message + "since that is plain http, where tokens and data keys can be read on the way; "
                    + "correct the proxy before Vault, which does not know that it is reached by https "
                    + "(X-Forwarded-Proto)")
        }
        if let address = target.vaultAddress {
            // A standby names the active node, which may be another one at the next request.
            return VaultError(
                status == 307 ? .standby : .misconfigured,
                message + "set \(VaultVariables.address) to \(address.sanitizedName)"
                    + (status == 307 ? ", or to a load balancer that finds the active node" : ""))
        }
        return VaultError(
            .misconfigured,
            message + "something before Vault sends its users there; let requests for /v1/ pass, or set "
                + "\(VaultVariables.address) to Vault itself")
    }
}
