"""1,000 KeyProviders, each with a login of its own, and one object each: a fresh sync and a restart"""

import os
import pathlib

import cpu
import objects
from environment import log
from kubernetes_api import APPLY, OBJECTS

NAME, ACCOUNT = "bench-providers", "wrap-reader"
LABEL = {"bench.secrets-bridge.io/scenario": "providers"}
RBAC = "rbac.authorization.k8s.io"


def run(env):
    count = min(1000, env.options.objects)
    namespaces = [f"bench-kp-{index}" for index in range(count)]
    prepare(env, namespaces)
    spec = {"keyRef": {"kind": "KeyProvider", "name": "own"}}
    places = [(namespace, "db-0") for namespace in namespaces]
    objects.apply(env.api, objects.wrap(env.vault_keys, places, lambda name: f"value of {name}", labels=LABEL, spec=spec))
    result = {"providers": count, "fresh": measure(env, count), "restart": measure(env, count)}
    fresh, restart = result["fresh"], result["restart"]
    log(f"{count} providers: {fresh['rate']}/s, CPU per object: {cpu.text(fresh['cpu_ms'])}; {fresh['logins']} logins, {fresh['unwraps']} unwraps, "
        f"{fresh['anonymous_mib']} MiB anonymous; restart: {restart['seconds']} s, {restart['logins']} logins, {restart['unwraps']} unwraps")  # fmt: skip
    objects.in_lanes(namespaces, lambda namespace: env.api.expect({200, 202, 404, 409}, "DELETE", f"/api/v1/namespaces/{namespace}"))
    env.api.expect({200, 404}, "DELETE", f"{OBJECTS}/clusterkeyproviders/{NAME}")
    return result


def measure(env, count):
    selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
    controller = env.start("--label-selector", selector, namespaces=())
    ready = controller.until_ready()
    with env.phase(controller) as phase:
        elapsed = controller.until_synced(count) - ready
        controller.until_idle(count)
    result = {"seconds": round(elapsed, 2), "rate": round(count / max(elapsed, 1e-9), 1), "cpu_ms": phase.per(count), "unwraps": env.unwraps(),
              "logins": env.kms_requests("auth/kubernetes/login"), **controller.memory()}  # fmt: skip
    controller.stop()
    return result


def prepare(env, namespaces):
    """Creates a role that every namespace may log in to, and in each namespace a service account, its rights and its provider."""
    env.vault.adapter.post(f"/v1/sys/policies/acl/{NAME}", json={"policy": 'path "transit/decrypt/sb-wrap" { capabilities = ["update"] }'})
    env.vault.adapter.post(f"/v1/auth/kubernetes/role/{NAME}", json={
        "bound_service_account_names": ACCOUNT, "bound_service_account_namespaces": "*", "audience": "vault", "token_policies": NAME,
        "token_ttl": "1h"})  # fmt: skip
    apply(env, f"{OBJECTS}/clusterkeyproviders/{NAME}", "secrets-bridge.io/v1alpha1", "ClusterKeyProvider", {"spec": {
        "vaultTransit": {"address": os.environ["BAO_ADDR"], "caBundle": pathlib.Path(os.environ["BAO_CACERT"]).read_text(), "key": "sb-wrap",
                         "role": NAME},
        "identity": {"audience": "vault", "serviceAccountName": ACCOUNT}, "namespaces": {"selector": {"matchLabels": LABEL}},
        "keyProviders": {"keys": ["sb-wrap"], "roles": [NAME]}}})  # fmt: skip
    objects.in_lanes(namespaces, lambda namespace: prepare_namespace(env, namespace))


def prepare_namespace(env, namespace):
    env.namespace(namespace, LABEL)
    rule = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [ACCOUNT], "verbs": ["create"]}
    rbac = f"/apis/{RBAC}/v1/namespaces/{namespace}"
    apply(env, f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}", "v1", "ServiceAccount", {})
    apply(env, f"{rbac}/roles/{ACCOUNT}-tokens", f"{RBAC}/v1", "Role", {"rules": [rule]})
    apply(env, f"{rbac}/rolebindings/{ACCOUNT}-tokens", f"{RBAC}/v1", "RoleBinding", {
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": f"{ACCOUNT}-tokens"},
        "subjects": [{"kind": "ServiceAccount", "name": "secrets-bridge", "namespace": "secrets-bridge"}]})  # fmt: skip
    provider = {"clusterKeyProvider": NAME, "serviceAccountName": ACCOUNT, "key": "sb-wrap", "role": NAME}
    apply(env, f"{OBJECTS}/namespaces/{namespace}/keyproviders/own", "secrets-bridge.io/v1alpha1", "KeyProvider", {"spec": provider})


def apply(env, path, version, kind, fields):
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": path.rsplit("/", 1)[1]}, **fields}
    env.api.expect({200, 201}, "PATCH", path + "?fieldManager=bench&force=true", manifest, kind=APPLY)
