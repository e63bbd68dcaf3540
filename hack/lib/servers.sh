# Where etcd and kube-apiserver come from. Sourced, after output.sh.

# Prints the folder that holds etcd and kube-apiserver, if the machine has both: $KUBEBUILDER_ASSETS, else PATH.
servers_at_hand() {
    local assets=${KUBEBUILDER_ASSETS:-}
    if [ -n "$assets" ]; then
        if [ -x "$assets/etcd" ] && [ -x "$assets/kube-apiserver" ]; then
            (cd "$assets" && pwd)
            return
        fi
        say "   KUBEBUILDER_ASSETS=$assets has no etcd and kube-apiserver: passed over"
    fi
    command -v etcd >/dev/null && command -v kube-apiserver >/dev/null && printf 'PATH\n'
}

# server_program FOLDER NAME: prints the program's path, if it is there.
server_program() {
    if [ "$1" = PATH ]; then
        command -v "$2"
    else
        [ -x "$1/$2" ] && printf '%s\n' "$1/$2"
    fi
}

# Docker with an engine that answers, and kind.
kind_usable() {
    command -v kind >/dev/null && command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1
}

# kubectl_usable PROGRAM: a real kubectl (not a vendor's dispatcher) of 1.29 or later.
kubectl_usable() {
    local version
    version=$("$1" version --client -o json 2>/dev/null | sed -n 's/.*"gitVersion": *"v1\.\([0-9]*\)\.\([^"]*\)".*/\1 \2/p')
    [ -n "$version" ] && [ "${version%% *}" -ge 29 ] && [[ $version != *dispatcher* ]]
}
