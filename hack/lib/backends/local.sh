# The backend 'local' for hack/quickstart: a master key in a file. Sourced; the caller sets state.

key_up() {
    log "   the backend 'local' (SB_KMS_BACKEND=local) is for development; production uses a KMS"
    (umask 077 && openssl rand -base64 32 >"$state/master.key")
    controller_settings=(SB_KMS_BACKEND=local SB_ENV=dev SB_WRAP_MASTER_KEY_FILE="$state/master.key")
    developer_settings=("${controller_settings[@]}")
}

key_down() { :; }
