# Programs of Kubernetes on this machine, kind clusters and the CRDs. Sourced, after common.sh.

# Prints the folder of etcd and kube-apiserver if both are installed: $KUBEBUILDER_ASSETS, else PATH.
servers_at_hand() {
    local assets=${KUBEBUILDER_ASSETS:-}
    if [ -n "$assets" ]; then
        if [ -x "$assets/etcd" ] && [ -x "$assets/kube-apiserver" ]; then
            (cd "$assets" && pwd)
            return
        fi
        log "   KUBEBUILDER_ASSETS=$assets has no etcd and kube-apiserver and is ignored"
    fi
    command -v etcd >/dev/null && command -v kube-apiserver >/dev/null && printf 'PATH\n'
}

# server_program FOLDER NAME: prints the program's path if it exists.
server_program() {
    if [ "$1" = PATH ]; then
        command -v "$2"
    else
        [ -x "$1/$2" ] && printf '%s\n' "$1/$2"
    fi
}

# Succeeds if kind and Docker with a running engine are installed.
kind_usable() {
    command -v kind >/dev/null && command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1
}

# kubectl_usable PROGRAM: succeeds if it is kubectl 1.29 or later and not a vendor's dispatcher.
kubectl_usable() {
    local version
    version=$("$1" version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": *"v1\.\([0-9]*\)\.\([^"]*\)".*/\1 \2/p')
    [ -n "$version" ] && [ "${version%% *}" -ge 29 ] && [[ $version != *dispatcher* ]]
}

# apply_crds KUBECTL...: applies the CRDs with this kubectl command line and waits until they are served.
apply_crds() {
    local minor tries=60
    minor=$("$@" version -o json | sed -n '/"serverVersion"/,$ s/.*"minor": *"\([0-9]*\).*/\1/p')
    if [ -n "${CRD_SERVER:-}" ]; then
        # The OpenAPI document of the API server does not have the fields of newer definitions.
        "$@" apply --server-side --validate=false --force-conflicts --field-manager=secrets-bridge-setup -f manifests/crds/ >&2
    elif [ "${minor:-99}" -ge 25 ]; then
        "$@" apply --server-side --force-conflicts --field-manager=secrets-bridge-setup -f manifests/crds/ >&2
    else
        # This server does not know CEL rules: it drops them, and rejects validation and server-side apply.
        "$@" apply --validate=false -f manifests/crds/ >&2
    fi
    "$@" wait --for=condition=Established --timeout=60s -f manifests/crds/ >/dev/null
    # Discovery, which kubectl needs, follows a moment after Established.
    until [[ $("$@" api-resources --api-group=secrets-bridge.io -o name 2>/dev/null | sort) == clusterkeyproviders*keyproviders*wrappedsecrets* ]]; do
        [ $((tries--)) -gt 0 ] || return 1
        sleep 0.5
    done
}

# The kind functions read DIR, which the caller sets.
kind_name() { printf 'secrets-bridge-%s\n' "$(printf '%s' "$DIR" | sha256sum | cut -c 1-8)"; }

kind_up() {
    KIND=$(kind_name)
    declare -p KIND KUBECTL | sed 's/^declare /declare -g /' >"$DIR/settings"
    run_logged "$DIR/kind.log" "kind create cluster --name $KIND" \
        kind create cluster --name "$KIND" --kubeconfig "$DIR/admin.kubeconfig" --wait 120s
    chmod 600 "$DIR/admin.kubeconfig"
}

kind_down() { run_logged "$DIR/kind.log" "kind delete cluster --name $KIND" kind delete cluster --name "$KIND"; }
