# The backend 'vault-transit' for hack/quickstart: a real OpenBao, which asks the API server who the controller is.
# Sourced; the caller sets state and kubectl.

key_up() {
    local bao=$state/openbao
    say "   a real OpenBao, set up as docs/vault.md says"
    hack/openbao up --cluster "$state/cluster" --dir "$bao"
    # What a pod has as a projected volume: a token of its service account, for Vault alone.
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
    unset BAO_TOKEN # the administrator's, for nobody else
}

# What the developer cannot do.
key_shown() { show_refusal "With the developer's token" "manifests/vault/developer.hcl"; }

key_down() { [ ! -d "$state/openbao" ] || hack/openbao down --dir "$state/openbao"; }
