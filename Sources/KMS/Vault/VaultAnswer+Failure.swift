import Glibc
import HTTP
import HTTPTypes

extension VaultAnswer {
    /// What an answer other than 2xx means. `location`: which Vault, for messages; `path`: what was asked.
    func failure(_ path: String, at location: VaultLocation) -> VaultError {
        let vault = location.description
        switch status {
        case 403:
            return VaultError(.denied, denied(path, at: location))
        case 400, 404, 405, 413:
            return refusal(path, at: location)
        case 307, 308, 472, 473, 474:
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
                retryAfter: fields[.retryAfter].flatMap { RetryAfter.delay($0, now: Int(time(nil))) })
        case 501:
            return VaultError(
                .notInitialized, "\(vault) is not initialised; initialise and unseal it (operator init)")
        case 503 where errors.lowercased().contains("sealed"):
            // OpenBao says so of a server that was never initialised, too.
            return VaultError(
                .sealed, "\(vault) is sealed; unseal it (operator unseal), or initialise it if it is new")
        case 503 where errors.lowercased().contains("not initialized"):
            return VaultError(
                .notInitialized, "\(vault) is not initialised; initialise and unseal it (operator init)")
        case 500 where errors.contains("standby") || errors.contains("node not active"):
            return VaultError(
                .standby,
                "\(vault) is a standby and has no active node; one is being elected, or all are sealed")
        case 500 where errors.contains("past the max TTL"):
            // Said of a renewal: nothing is wrong with Vault.
            return VaultError(
                .denied, "\(vault) does not renew the token: it is at its maximum age, token_max_ttl")
        default:
            let who = isOfVault ? vault : "\(vault), or a proxy before it,"
            return VaultError(.failed, "\(who) failed (HTTP \(status)); its log tells why")
        }
    }

    private func denied(_ path: String, at location: VaultLocation) -> String {
        "\(location) denies \(path): the token is not valid any more, or its policies lack "
            + "path \"\(path)\" { capabilities = [\"update\"] }"
    }

    private func refusal(_ path: String, at location: VaultLocation) -> VaultError {
        guard isOfVault else {
            return VaultError(
                .misconfigured,
                "what answers at \(location) is not Vault (HTTP \(status)); check \(VaultVariables.address)")
        }
        let refusal = VaultRefusal(status: status, text: errors)
        return VaultError(.refused(refusal), refusal.message(path, at: location))
    }
}

extension VaultRefusal {
    func message(_ path: String, at location: VaultLocation) -> String {
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
