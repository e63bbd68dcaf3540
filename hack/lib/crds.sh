# Applying the custom resource definitions. Sourced.

# apply_crds KUBECTL...: the command line of a kubectl with its kubeconfig.
apply_crds() {
    local minor tries=60
    minor=$("$@" version -o json | sed -n '/"serverVersion"/,$ s/.*"minor": *"\([0-9]*\).*/\1/p')
    if [ "${minor:-99}" -ge 25 ]; then
        "$@" apply --server-side --force-conflicts --field-manager=secrets-bridge-setup -f manifests/crds/ >&2
    else
        # This server does not know CEL rules: it drops them, and says no to whoever validates or applies server-side.
        "$@" apply --validate=false -f manifests/crds/ >&2
    fi
    "$@" wait --for=condition=Established --timeout=60s crd/wrappedsecrets.secrets-bridge.io >/dev/null
    # Established comes a moment before discovery, which kubectl needs, knows the kind.
    until [[ $("$@" api-resources --api-group=secrets-bridge.io -o name 2>/dev/null) == *wrappedsecrets* ]]; do
        [ $((tries--)) -gt 0 ] || return 1
        sleep 0.5
    done
}
