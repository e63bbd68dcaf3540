# The backend 'aws-kms' for hack/quickstart: moto on this machine. The controller's service account may assume a role, and
# a developer has access keys. Sourced; the caller sets state, namespace, kubectl and binary.

key_up() {
    local aws=$state/aws common
    log "   AWS KMS, STS and IAM on this machine (moto, with signatures and policies checked), set up with the commands of docs/aws-kms.md"
    hack/setup
    hack/aws up --cluster "$state/cluster" --dir "$aws"
    # EKS projects this volume into a pod: a token of its service account with the audience of STS.
    (umask 077 && "${kubectl[0]}" -n secrets-bridge create token secrets-bridge --audience=sts.amazonaws.com --duration=24h \
        >"$state/aws-token")
    # shellcheck disable=SC1091
    . "$aws/env"
    # Keep this machine's AWS settings out.
    common=(AWS_EC2_METADATA_DISABLED=true AWS_PROFILE='' AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ACCESS_KEY_ID=''
        AWS_SECRET_ACCESS_KEY='' AWS_SESSION_TOKEN='' AWS_ENDPOINT_URL="$SB_AWS_ENDPOINT"
        SB_KMS_BACKEND=aws-kms SB_KMS_AWS_KEY_ID=alias/sb-wrap SB_KMS_AWS_REGION="$SB_AWS_REGION")
    controller_settings=("${common[@]}" AWS_ROLE_ARN="$SB_AWS_ROLE_ARN" AWS_WEB_IDENTITY_TOKEN_FILE="$state/aws-token")
    mapfile -t developer_settings < <(hack/aws keys developer "$namespace" --dir "$aws")
    developer_settings=("${common[@]}" "${developer_settings[@]}")
}

# Shows that the developer cannot decrypt.
key_shown() { show_refusal "With the developer's access keys" "the policy manifests/aws/developer.json"; }

key_down() { [ ! -d "$state/aws" ] || hack/aws down --dir "$state/aws"; }
