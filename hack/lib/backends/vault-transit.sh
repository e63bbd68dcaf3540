# The backend 'vault-transit' for hack/quickstart: a real OpenBao, which authenticates the controller by the TokenReview API.
# Sourced; the caller sets state and kubectl.

key_up() {
    local bao=$state/openbao
    log "   a real OpenBao, set up with the commands of docs/vault.md"
    hack/openbao up --cluster "$state/cluster" --dir "$bao"
    # A pod has this token as a projected volume, with the audience of Vault.
    (
        umask 077
        "${kubectl[0]}" -n secrets-bridge create token secrets-bridge --audience=vault --duration=24h >"$state/vault-token"
        hack/openbao token developer --dir "$bao" >"$state/developer-token"
    )
    # shellcheck disable=SC1091
    . "$bao/env"
    local vault=(SB_KMS_BACKEND=vault-transit SB_KMS_VAULT_ADDR="$BAO_ADDR" SB_KMS_VAULT_CACERT="$BAO_CACERT" SB_KMS_VAULT_KEY=sb-wrap)
    controller_settings=("${vault[@]}" SB_KMS_VAULT_ROLE=secrets-bridge SB_KMS_VAULT_SA_TOKEN_FILE="$state/vault-token")
    developer_settings=("${vault[@]}" SB_KMS_VAULT_TOKEN_FILE="$state/developer-token")
    unset BAO_TOKEN # the administrator's token
}

# Shows that the developer cannot decrypt.
key_shown() { show_refusal "With the developer's token" "the policy manifests/vault/developer.hcl"; }

key_down() { [ ! -d "$state/openbao" ] || hack/openbao down --dir "$state/openbao"; }
