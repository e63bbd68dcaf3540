# The backend 'azure-key-vault' for hack/quickstart: Key Vault and Microsoft Entra ID on this machine. The controller's service
# account has a federated credential, and a developer has a client secret. Sourced; the caller sets state, kubectl and binary.

key_up() {
    local azure=$state/azure common
    log "   Key Vault and Microsoft Entra ID on this machine (with tokens and roles checked), as docs/azure-key-vault.md describes"
    hack/setup
    hack/azure up --cluster "$state/cluster" --dir "$azure"
    # The webhook of Microsoft Entra Workload ID projects this volume into a pod.
    (umask 077 && "${kubectl[0]}" -n secrets-bridge create token secrets-bridge --audience=api://AzureADTokenExchange --duration=24h \
        >"$state/azure-token")
    # shellcheck disable=SC1091
    . "$azure/env"
    # Keep this machine's Azure settings out.
    common=(AZURE_CLIENT_CERTIFICATE_PATH='' AZURE_AUTHORITY_HOST="$SB_AZURE_AUTHORITY" SB_KMS_BACKEND=azure-key-vault
        SB_KMS_AZURE_VAULT_URL="$SB_AZURE_VAULT_URL" SB_KMS_AZURE_KEY="$SB_AZURE_KEY" SB_KMS_AZURE_CACERT="$SB_AZURE_CACERT")
    controller_settings=("${common[@]}" AZURE_TENANT_ID="$SB_AZURE_TENANT_ID" AZURE_CLIENT_ID="$SB_AZURE_CLIENT_ID"
        AZURE_CLIENT_SECRET='' AZURE_FEDERATED_TOKEN_FILE="$state/azure-token")
    mapfile -t developer_settings < <(hack/azure credentials developer --dir "$azure")
    developer_settings=("${common[@]}" AZURE_FEDERATED_TOKEN_FILE='' "${developer_settings[@]}")
}

# Shows that the developer cannot decrypt.
key_shown() { show_refusal "With wrapKey alone" "the role on the key"; }

key_down() { [ ! -d "$state/azure" ] || hack/azure down --dir "$state/azure"; }
