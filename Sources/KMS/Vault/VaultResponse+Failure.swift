import Glibc
import HTTP
import HTTPTypes
import System

extension VaultResponse {
    /// What an answer other than 2xx means. `location`: which Vault, for messages; `path`: what was asked.
    func error(_ path: String, at location: VaultEndpoint) -> VaultError {
        if [301, 302, 303, 307, 308].contains(status) { return redirect(path, at: location) }
        if isFromTLSPort {
            return VaultError(
                .misconfigured,
                "\(location) speaks TLS and was asked in plain http; use https:// in \(VaultVariables.address)"
            )
        }
        guard isFromVault else { return foreign(at: location) }
        let vault = location.description
        switch status {
        case 403:
            return VaultError(.denied, denied(path, at: location))
        case 400, 404, 405, 413:
            let refusal = VaultRejection(status: status, text: errorText)
            return VaultError(.rejected(refusal), refusal.message(path, at: location))
        case 472, 473, 474:
            return VaultError(
                .standby,
                "\(vault) is a standby and does not serve; point \(VaultVariables.address) at the active node, "
                    + "or at a load balancer that finds it")
        case 412:
            return VaultError(.standby, "\(vault) is a standby that has not caught up yet")
        case 429:
            return VaultError(
                .rateLimited,
                "\(vault) limits the rate of requests; raise its quota (sys/quotas/rate-limit)",
                retryAfter: retryAfter)
        case 501:
            return VaultError(
                .notInitialized, "\(vault) is not initialised; initialise and unseal it (operator init)")
        case 503 where errorText.lowercased().contains("sealed"):
            // OpenBao says so of a server that was never initialised, too.
            return VaultError(
                .sealed, "\(vault) is sealed; unseal it (operator unseal), or initialise it if it is new")
        case 503 where errorText.lowercased().contains("not initialized"):
            return VaultError(
                .notInitialized, "\(vault) is not initialised; initialise and unseal it (operator init)")
        case 500 where errorText.contains("standby") || errorText.contains("node not active"):
            return VaultError(
                .standby,
                "\(vault) is a standby and has no active node; one is being elected, or all are sealed")
        case 500 where errorText.contains("past the max TTL"):
            // Said of a renewal: nothing is wrong with Vault.
            return VaultError(
                .denied, "\(vault) does not renew the token: it is at its maximum age, token_max_ttl")
        default:
            return VaultError(.serverError, "\(vault) failed (HTTP \(status)); its log tells why")
        }
    }

    private var retryAfter: Duration? {
        headerFields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) }
    }

    private func denied(_ path: String, at location: VaultEndpoint) -> String {
        "\(location) denies \(path): the token is not valid any more, or its policies lack "
            + "path \"\(path)\" { capabilities = [\"update\"] }"
    }

    /// Something in front of Vault answered, or in its place: Vault's advice does not apply.
    private func foreign(at location: VaultEndpoint) -> VaultError {
        let who = senderName.map { "probably \($0)" } ?? "a proxy, a firewall or a login page before it"
        switch status {
        case 429:
            return VaultError(
                .rateLimited,
                "what limits the rate of requests to \(location) is not Vault (HTTP 429), but \(who); raise its limit",
                retryAfter: retryAfter)
        case 500...:
            return VaultError(
                .serverError,
                "\(location), or a proxy before it, failed (HTTP \(status), without a word of Vault's, from \(who)); "
                    + "its log tells why")
        case 407:
            return VaultError(
                .misconfigured,
                "the proxy before \(location) asks for a login (HTTP 407); put user and password into HTTPS_PROXY, or "
                    + "the host into NO_PROXY")
        case 401, 403:
            return VaultError(
                .misconfigured,
                "what refuses the request at \(location) is not Vault (HTTP \(status)), but \(who); let the request "
                    + "pass there, or check \(VaultVariables.address)")
        default:
            return VaultError(
                .misconfigured,
                "what answers at \(location) is not Vault (HTTP \(status)), but \(who); check \(VaultVariables.address)"
            )
        }
    }

    /// A token goes nowhere but where the settings say, so that no redirect is followed elsewhere.
    private func redirect(_ path: String, at location: VaultEndpoint) -> VaultError {
        let target = headerFields[.location].flatMap { VaultRedirect($0, from: location.address, path: path) }
        guard let target else {
            return VaultError(
                .standby,
                "\(location) is a standby and does not serve (HTTP \(status)); point \(VaultVariables.address) at the "
                    + "active node, or at a load balancer that finds it")
        }
        let message =
            "\(location) redirects to \(target.displayURL) (HTTP \(status)), which is not followed; "
        guard !target.downgradesToHTTP else {
            return VaultError(
                .misconfigured,
                message + "since that is plain http, where tokens and data keys can be read on the way; "
                    + "correct the proxy before Vault, which does not know that it is reached by https "
                    + "(X-Forwarded-Proto)")
        }
        if let address = target.vaultAddress {
            // A standby names the active node, which may be another one the next time.
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

extension VaultRejection {
    func message(_ path: String, at location: VaultEndpoint) -> String {
        switch self {
        case .notAuthentic, .malformedCiphertext:
            "Vault refuses the wrapped key: it was changed, wrapped by another key, or made for another "
                + "namespace, name or scope"
        case .versionTooOld:
            "the key version that wrapped it is below the key's min_decryption_version; lower that, or wrap the "
                + "values again"
        case .versionTooNew:
            "the wrapped key is of a newer version than \(path) has; was the key deleted and made anew, or "
                + "Vault restored from a backup?"
        case .keyNotFound:
            "\(location) has no key for \(path); check \(VaultVariables.key), \(VaultVariables.previousKeys) and "
                + "\(VaultVariables.mount), or make the key"
        case .pathNotFound:
            "\(location) has nothing at \(path); check \(VaultVariables.mount), "
                + "\(VaultVariables.authenticationMount) and \(VaultVariables.namespace)"
        case .namespaceNotFound:
            "\(location) has no such namespace; check \(VaultVariables.namespace)"
        case .notSupported:
            "the key's type or settings do not allow \(path); a key of type aes256-gcm96 is expected, best "
                + "with derived=true"
        case .tooLarge:
            "the request is larger than \(location) takes"
        case .unknown:
            "\(location) refuses \(path) for a reason that this version does not know; Vault's audit log has it"
        }
    }
}
