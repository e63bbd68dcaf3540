# The backend 'aws-kms' for hack/quickstart: AWS on this machine (moto), where the controller is a role that its service
# account may assume, and a developer has access keys. Sourced; the caller sets state, namespace, kubectl and binary.

key_up() {
    local aws=$state/aws common
    say "   AWS KMS, STS and IAM on this machine (moto, with signatures and policies checked), set up as docs/aws-kms.md says"
    hack/setup
    hack/aws up --cluster "$state/cluster" --dir "$aws"
    # What EKS puts into a pod as a projected volume: a token of its service account, for STS alone.
    (umask 077 && "${kubectl[0]}" -n secrets-bridge create token secrets-bridge --audience=sts.amazonaws.com --duration=24h \
        >"$state/aws-token")
    # shellcheck disable=SC1091
    . "$aws/env"
    # Nothing of this machine's own AWS settings.
    common=(AWS_EC2_METADATA_DISABLED=true AWS_PROFILE='' AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_ACCESS_KEY_ID=''
        AWS_SECRET_ACCESS_KEY='' AWS_SESSION_TOKEN='' AWS_ENDPOINT_URL="$SB_AWS_ENDPOINT"
        SB_KMS_BACKEND=aws-kms SB_KMS_AWS_KEY_ID=alias/sb-wrap SB_KMS_AWS_REGION="$SB_AWS_REGION")
    controller_settings=("${common[@]}" AWS_ROLE_ARN="$SB_AWS_ROLE_ARN" AWS_WEB_IDENTITY_TOKEN_FILE="$state/aws-token")
    mapfile -t developer_settings < <(hack/aws keys developer "$namespace" --dir "$aws")
    developer_settings=("${common[@]}" "${developer_settings[@]}")
}

# What the developer cannot do.
key_shown() { show_refusal "With the developer's access keys" "manifests/aws/developer.json"; }

key_down() { [ ! -d "$state/aws" ] || hack/aws down --dir "$state/aws"; }
