# A cluster of kind (Kubernetes in Docker), for those who have it. Sourced, after output.sh. The caller sets DIR.

kind_name() { printf 'secrets-bridge-%s\n' "$(printf '%s' "$DIR" | sha256sum | cut -c 1-8)"; }

kind_up() {
    KIND=$(kind_name)
    declare -p KIND KUBECTL | sed 's/^declare /declare -g /' >"$DIR/settings"
    run_logged "$DIR/kind.log" "kind create cluster --name $KIND" \
        kind create cluster --name "$KIND" --kubeconfig "$DIR/admin.kubeconfig" --wait 120s
    chmod 600 "$DIR/admin.kubeconfig"
}

kind_down() { run_logged "$DIR/kind.log" "kind delete cluster --name $KIND" kind delete cluster --name "$KIND"; }
