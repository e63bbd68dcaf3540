# The backend 'gcp-kms' for hack/quickstart: Cloud KMS and Google's token services on this machine. The controller's service
# account is a principal of a workload identity pool, and a developer has a service account. Sourced; the caller sets state,
# kubectl and binary.

key_up() {
    local gcp=$state/gcp common
    log "   Cloud KMS and Google's token services on this machine (with tokens and roles checked), set up with the commands of docs/gcp-kms.md"
    hack/setup
    hack/gcp up --cluster "$state/cluster" --dir "$gcp"
    # shellcheck disable=SC1091
    . "$gcp/env"
    # The chart projects this volume into a pod: a token of its service account with the audience of the pool's provider.
    (umask 077 && "${kubectl[0]}" -n secrets-bridge create token secrets-bridge --audience="$SB_GCP_AUDIENCE" --duration=24h \
        >"$state/gcp-token")
    # Keep this machine's Google settings out.
    common=(CLOUDSDK_CONFIG=/nowhere GOOGLE_CLOUD_QUOTA_PROJECT='' NO_GCE_CHECK=true
        SB_KMS_BACKEND=gcp-kms SB_KMS_GCP_KEY="$SB_GCP_KEY" SB_KMS_GCP_ENDPOINT="$SB_GCP_ENDPOINT")
    controller_settings=("${common[@]}" GOOGLE_APPLICATION_CREDENTIALS="$(hack/gcp federation "$state/gcp-token" --dir "$gcp")")
    developer_settings=("${common[@]}" GOOGLE_APPLICATION_CREDENTIALS="$(hack/gcp credentials developer --dir "$gcp")")
}

# Shows that the developer cannot decrypt.
key_shown() { show_refusal "With roles/cloudkms.cryptoKeyEncrypter" "the role on the key"; }

key_down() { [ ! -d "$state/gcp" ] || hack/gcp down --dir "$state/gcp"; }
