# Starts and stops etcd, kube-apiserver, kube-controller-manager and the API server of custom resources on loopback, in one folder DIR. Sourced, after common.sh,
# processes.sh and pki.sh. The caller sets DIR; the ports and programs are in DIR/settings.

readonly APISERVER_WAIT=90 # seconds; a start takes 3 on two idle cores

server_url() { printf 'https://127.0.0.1:%s\n' "$API_PORT"; }
etcd_url() { printf 'http://127.0.0.1:%s\n' "$ETCD_PORT"; }
as_admin() { curl -sf --max-time 10 --cacert "$DIR/pki/ca.crt" --cert "$DIR/pki/admin.crt" --key "$DIR/pki/admin.key" "$@"; }

# wait_for NAME SECONDS COMMAND...: waits until the command succeeds; fails and prints NAME's log if NAME exits or the time is up.
wait_for() {
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! running "$DIR" "$name" >/dev/null; then
            log "$name exited. The end of its log:"
        elif [ "$SECONDS" -ge "$deadline" ]; then
            log "$name is not ready in time. The end of its log:"
        else
            sleep 0.05
            continue
        fi
        tail -n 15 "$DIR/$name.log" | sed 's/^/   | /' >&2
        return 1
    done
}

start_etcd() {
    local unsafe=()
    # The data is disposable; an fsync for each write would only slow tests down.
    if [[ $("$ASSETS/etcd" --help 2>&1) == *--unsafe-no-fsync* ]]; then unsafe=(--unsafe-no-fsync); fi
    spawn "$DIR" etcd "$ASSETS/etcd" --name=local --data-dir="$DIR/etcd" ${unsafe[@]+"${unsafe[@]}"} \
        --listen-client-urls="$(etcd_url)" --advertise-client-urls="$(etcd_url)" \
        --listen-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" --initial-advertise-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" \
        --initial-cluster="local=http://127.0.0.1:$ETCD_PEER_PORT" --logger=zap --log-level=warn
    wait_for etcd 30 curl -sf --max-time 5 "$(etcd_url)/health"
}

# How the API server tells the one of custom resources who the user is.
readonly REQUEST_HEADERS=(--requestheader-allowed-names=front-proxy-client --requestheader-username-headers=X-Remote-User
    --requestheader-group-headers=X-Remote-Group --requestheader-extra-headers-prefix=X-Remote-Extra-)

start_apiserver() {
    local forwarding=() lean=()
    [ -z "$CRD_SERVER" ] || forwarding=("${REQUEST_HEADERS[@]}" --requestheader-client-ca-file="$DIR/pki/front-proxy-ca.crt"
        --proxy-client-cert-file="$DIR/pki/front-proxy-client.crt" --proxy-client-key-file="$DIR/pki/front-proxy-client.key"
        --runtime-config=apiextensions.k8s.io/v1beta1=false)
    # Later versions serve few beta APIs. Without those of 1.20, a start and each change of a CRD, after which the server writes its
    # OpenAPI document, take two thirds of the processor time. policy/v1 came with 1.21. The metrics of its priority and fairness
    # take a third of an idle server's processor time.
    case $("$ASSETS/kube-apiserver" --version) in
        *v1.20.*) lean=("--runtime-config=api/beta=false,policy/v1beta1=true" --enable-priority-and-fairness=false) ;;
    esac
    # --v=1 keeps request bodies out of the log.
    spawn "$DIR" apiserver "$ASSETS/kube-apiserver" --etcd-servers="$(etcd_url)" \
        --bind-address=127.0.0.1 --secure-port="$API_PORT" --advertise-address=127.0.0.1 --endpoint-reconciler-type=none \
        --service-cluster-ip-range=10.96.0.0/16 \
        --tls-cert-file="$DIR/pki/apiserver.crt" --tls-private-key-file="$DIR/pki/apiserver.key" \
        --client-ca-file="$DIR/pki/ca.crt" --authorization-mode=Node,RBAC \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$DIR/pki/service-accounts.pub" \
        --service-account-signing-key-file="$DIR/pki/service-accounts.key" \
        ${forwarding[@]+"${forwarding[@]}"} ${lean[@]+"${lean[@]}"} --profiling=false --v=1 \
        ${APISERVER_FLAGS[@]+"${APISERVER_FLAGS[@]}"}
    # Both start before either is awaited: each needs the other to be ready.
    [ -z "$CRD_SERVER" ] || running "$DIR" crd-server >/dev/null || spawn_crd_server
    wait_for apiserver "$APISERVER_WAIT" as_admin "$(server_url)/readyz"
    [ -z "$CRD_SERVER" ] || wait_for crd-server "$APISERVER_WAIT" crd_server_serves
}

# Starts the API server of custom resources, which shares etcd with the other and registers itself there.
spawn_crd_server() {
    (umask 077 && kubeconfig_with "$(server_url)" "$DIR/pki/ca.crt" "$(certificate_user "$DIR/pki" crd-server-client)" >"$DIR/crd-server.kubeconfig")
    spawn "$DIR" crd-server "$CRD_SERVER" --etcd-servers="$(etcd_url)" --etcd-prefix=/registry \
        --bind-address=127.0.0.1 --secure-port="$CRD_PORT" --advertise-address=127.0.0.1 \
        --tls-cert-file="$DIR/pki/crd-server.crt" --tls-private-key-file="$DIR/pki/crd-server.key" \
        --kubeconfig="$DIR/crd-server.kubeconfig" --authentication-kubeconfig="$DIR/crd-server.kubeconfig" \
        --authorization-kubeconfig="$DIR/crd-server.kubeconfig" --authentication-skip-lookup=true --client-ca-file="$DIR/pki/ca.crt" \
        "${REQUEST_HEADERS[@]}" --requestheader-client-ca-file="$DIR/pki/front-proxy-ca.crt" \
        --authorization-webhook-cache-authorized-ttl=0s --authorization-webhook-cache-unauthorized-ttl=0s \
        --enable-priority-and-fairness=false --disable-admission-plugins=MutatingAdmissionPolicy,ValidatingAdmissionPolicy \
        --profiling=false --v=1
}

# Succeeds if the other server sends requests for all groups of custom resources to it.
crd_server_serves() {
    as_admin "https://127.0.0.1:$CRD_PORT/readyz" >/dev/null || return
    as_admin "$(server_url)/apis/apiregistration.k8s.io/v1/apiservices?labelSelector=crd-server" | python3 -c '
import json, sys
items = json.load(sys.stdin)["items"]
available = [item for item in items for found in item["status"].get("conditions", [])
             if found["type"] == "Available" and found["status"] == "True" and found["reason"] == "Passed"]
starts = {item["metadata"]["annotations"]["started"] for item in items}
sys.exit(not (items and len(available) == len(items) and len(starts) == 1))'
}

# stop_apiserver SECONDS: stops the API server, and the one of custom resources.
stop_apiserver() {
    stop "$DIR" crd-server "$1"
    stop "$DIR" apiserver "$1"
}

# Configures a line in DIR/audit.log for each request of a service account in the controller's namespace, on receipt.
audit_requests() {
    cat >"$DIR/audit-policy.yaml" <<'POLICY'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:secrets-bridge"]
- level: None
POLICY
    APISERVER_FLAGS+=("--audit-policy-file=$DIR/audit-policy.yaml" "--audit-log-path=$DIR/audit.log")
}

# Starts the controllers that need no nodes: garbage collector, namespaces, service accounts, aggregated roles.
start_controller_manager() {
    local insecure=()
    if [ ! -x "$ASSETS/kube-controller-manager" ]; then
        log "no kube-controller-manager: this cluster has no garbage collection"
        return
    fi
    # Kubernetes 1.24 removed the insecure port, which was on by default, and its flag.
    case $("$ASSETS/kube-controller-manager" --version) in *v1.20.* | *v1.21.*) insecure=(--port=0) ;; esac
    # It serves nothing: a port that is bound only after the other servers have started could be another's by then.
    spawn "$DIR" controller-manager "$ASSETS/kube-controller-manager" --kubeconfig="$DIR/controller-manager.kubeconfig" \
        --authentication-kubeconfig="$DIR/controller-manager.kubeconfig" --authentication-skip-lookup=true \
        --authorization-kubeconfig="$DIR/controller-manager.kubeconfig" --use-service-account-credentials=true \
        --secure-port=0 ${insecure[@]+"${insecure[@]}"} \
        --leader-elect=false --profiling=false --v=1 --kube-api-qps=200 --kube-api-burst=400 \
        --controllers=clusterrole-aggregation,garbagecollector,namespace,serviceaccount,serviceaccount-token,root-ca-cert-publisher \
        --service-account-private-key-file="$DIR/pki/service-accounts.key" --root-ca-file="$DIR/pki/ca.crt"
    wait_for controller-manager 60 as_admin "$(server_url)/api/v1/namespaces/default/serviceaccounts/default"
}

# Starts the API server again, and the controller manager if it exited, which it does when it had only just started.
resume_apiserver() {
    running "$DIR" apiserver >/dev/null || start_apiserver
    running "$DIR" controller-manager >/dev/null || start_controller_manager
}

# Writes settings with free ports and starts etcd and the API server; retries if a port was taken meanwhile.
start_servers() {
    local try
    for try in 1 2 3; do
        read -r ETCD_PORT ETCD_PEER_PORT API_PORT CRD_PORT < <(free_ports 4)
        write_settings
        : >"$DIR/etcd.log"
        : >"$DIR/apiserver.log"
        : >"$DIR/crd-server.log"
        start_etcd && start_apiserver && return
        stop_apiserver 1
        stop "$DIR" etcd
        rm -rf "$DIR/etcd"
        grep -q 'address already in use' "$DIR/etcd.log" "$DIR/apiserver.log" "$DIR/crd-server.log" || return 1
        log "a port was taken meanwhile: try $try of 3 failed"
    done
    return 1
}

write_settings() {
    # -g, because a function reads them.
    declare -p ASSETS KUBECTL ETCD_PORT ETCD_PEER_PORT API_PORT CRD_PORT CRD_SERVER APISERVER_FLAGS \
        | sed 's/^declare /declare -g /' >"$DIR/settings"
}

write_kubeconfigs() (
    umask 077
    kubeconfig_with "$(server_url)" "$DIR/pki/ca.crt" "$(certificate_user "$DIR/pki" admin)" >"$DIR/admin.kubeconfig"
    kubeconfig_with "$(server_url)" "$DIR/pki/ca.crt" "$(certificate_user "$DIR/pki" controller-manager)" \
        >"$DIR/controller-manager.kubeconfig"
)

stop_servers() {
    stop "$DIR" controller-manager 2
    stop_apiserver 2
    stop "$DIR" etcd
}

# Compacts etcd to its latest revision: a list or watch that continues from an older one gets 410.
compact() {
    local revision
    revision=$(curl -sf --max-time 10 "$(etcd_url)/v3/kv/range" -d '{"key":"AA=="}' | sed -n 's/.*"revision":"\([0-9]*\)".*/\1/p')
    [ -n "$revision" ] || die "etcd did not return its revision"
    curl -sf --max-time 30 "$(etcd_url)/v3/kv/compaction" -d "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null \
        || die "etcd did not compact to revision $revision: was it compacted to it before?"
    printf '%s\n' "$revision"
}

# snapshot FILE: copies etcd's data while etcd is stopped by a signal. The copy is like the disk after a power cut, from
# which etcd recovers, and no client sees a broken connection.
snapshot() {
    local pid code=0
    pid=$(running "$DIR" etcd) || die "etcd does not run in $DIR"
    kill -STOP "$pid"
    tar -C "$DIR" --sparse -cf "$1" etcd || code=$?
    kill -CONT "$pid"
    [ "$code" -eq 0 ] || die "cannot write the snapshot $1"
}

# restore FILE: stops all servers, replaces etcd's data by the snapshot, and starts them again on their ports.
restore() {
    tar -tf "$1" etcd >/dev/null || die "$1 is not a snapshot of 'hack/cluster snapshot'"
    stop_servers
    rm -rf "$DIR/etcd"
    tar -C "$DIR" -xf "$1"
    start_etcd && start_apiserver && start_controller_manager
}
