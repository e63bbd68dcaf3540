"""The controller, run exactly as in the chart, works with OpenBao and uses each of its permissions."""

import json
import ssl
import subprocess
import urllib.request

import pytest
import yaml

from chart import CHART, ENVIRONMENT, HELMS, NAMESPACE, helm, rendered, run
from conftest import eventually
from objects import Namespace
from pod import Pod
from policy import denials
from release import flags, installed


@pytest.fixture(scope="module")
def release(cluster, vault):
    settings = [f"vault.address={vault.address}", "vault.key=sb-wrap", "vault.ca.configMap=vault-ca"]
    with installed(cluster, "3", *settings) as found:
        yield found


def rules(cluster, *role):
    """Yields the permissions of a role."""
    return {
        (verb, group, resource)
        for rule in cluster.get(*role)["rules"]
        for verb in rule["verbs"] for group in rule["apiGroups"] for resource in rule["resources"]
    }


def test_controller_uses_every_permission(cluster, vault, release, image_root, scratch):
    namespace = Namespace(cluster, "shop", vault.developer)
    deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
    cluster.kubectl("-n", NAMESPACE, "delete", "leases", "--all")  # left by previous tests
    before = cluster.audit_lines()
    create_providers(namespace)
    with Pod(cluster, deployment, image_root, scratch / "pod-a", "secrets-bridge-a").running() as pod:
        (ready,) = eventually("the key is ready", lambda: pod.logged("keymgmt backend ready"))
        assert ready["key_id"] == "vault-transit:transit/sb-wrap"
        with open(f"/proc/{pod.pid}/status", encoding="utf-8") as status:
            facts = {name: value.strip() for name, _, value in (line.partition(":") for line in status)}
        assert facts["CapEff"] == facts["CapBnd"] == "0" * 16 and facts["NoNewPrivs"] == "1"

        for name, way in (("db", []), ("server-side", ["--server-side", "--field-manager=gitops"])):
            wrapped = namespace.wrap(name, password="one")
            namespace.kubectl("apply", "--validate=false", *way, "-f", "-", given=wrapped)
            namespace.until(name, "Synced")
            namespace.until_values(name, password="one")
            no_difference(namespace, wrapped, *way)
        namespace.kubectl("delete", "secret", "db")
        namespace.until_values("db", password="one")
        namespace.kubectl("patch", "secret", "db", "-p", '{"stringData":{"password":"two"}}')
        namespace.until_values("db", password="one")
        # The controller reads a Secret of another owner.
        namespace.kubectl("create", "secret", "generic", "foreign")
        namespace.apply(namespace.wrap("foreign", k="v"))
        namespace.until("foreign", "SecretConflict")
        # The controller deletes the Secret with the previous name.
        namespace.apply(namespace.wrap("moved", "--scope=namespace", k="v"))
        namespace.until_values("moved", k="v")
        namespace.kubectl("patch", "wrappedsecret", "moved", "--type=merge", "-p", '{"spec":{"template":{"metadata":{"name":"new"}}}}')
        namespace.until_values("new", k="v")
        eventually("the Secret under the earlier name is gone", lambda: namespace.get("secret", "moved") is None)
        eventually("an event is written", lambda: events(namespace))
        for kind, *place in (("clusterkeyprovider", "eu"), ("keyprovider", "own", namespace.name)):
            eventually(f"the {kind} has a condition", lambda kind=kind, place=place: cluster.get(kind, *place).get("status", {}).get("conditions"))
        token = pod.token()
        the_policy_allows_what_was_written(namespace)

    count_an_event(cluster, namespace, token)
    asked = cluster.requests(before)
    everywhere, leases = rules(cluster, "clusterrole", "secrets-bridge"), rules(cluster, "role", "secrets-bridge-leader-election", NAMESPACE)
    deletion, providers = (rules(cluster, "clusterrole", f"secrets-bridge-{name}") for name in ("delete-secrets", "providers"))
    used = {request[:3] for request in asked}
    # The controller requests pages from servers that do not stream lists (before Kubernetes 1.32), and after a broken stream.
    allowed = everywhere | deletion | providers | leases
    pages = {rule for rule in allowed if rule[0] == "list"}
    assert allowed - pages <= used <= allowed
    assert {request for request in asked if request[2] == "leases"} == {(*rule, NAMESPACE) for rule in leases}


def create_providers(namespace):
    """Creates a ClusterKeyProvider that selects namespaces by label and whose KMS is down, and a KeyProvider that refers to none."""
    cluster_wide = {
        "apiVersion": "secrets-bridge.io/v1alpha1", "kind": "ClusterKeyProvider", "metadata": {"name": "eu"},
        "spec": {"vaultTransit": {"address": "https://127.0.0.1:1", "key": "k", "role": "r"},
                 "namespaces": {"selector": {"matchLabels": {"tenant": "true"}}}}}
    own = {
        "apiVersion": "secrets-bridge.io/v1alpha1", "kind": "KeyProvider", "metadata": {"name": "own"},
        "spec": {"clusterKeyProvider": "missing", "serviceAccountName": "wrap-reader"}}
    for provider in (cluster_wide, own):
        namespace.kubectl("apply", "--validate=false", "-f", "-", given=json.dumps(provider))


def the_policy_allows_what_was_written(namespace):
    """Evaluates the admission policy, which this server may not support, over the server's Secrets."""
    objects = rendered("local", "--set=admissionPolicy.enabled=true")
    (policy,) = (found for found in objects if found["kind"] == "ValidatingAdmissionPolicy")
    controller = f"system:serviceaccount:{NAMESPACE}:secrets-bridge"
    secrets = json.loads(namespace.kubectl("get", "secrets", "-o", "json", "--show-managed-fields").stdout)["items"]
    written = {secret["metadata"]["name"]: secret for secret in secrets}
    for name in ("db", "server-side", "new"):
        secret = written[name]
        for request in (("CREATE", None, secret), ("UPDATE", secret, secret), ("DELETE", secret, None)):
            assert denials(policy, controller, *request) == [], (name, request[0])
        stripped = {**secret, "metadata": {**secret["metadata"], "labels": {}, "annotations": {}, "ownerReferences": []}}
        assert denials(policy, controller, "UPDATE", stripped, secret) == [], "managedFields show that it was ours"
    for name in set(written) - {"db", "server-side", "new"}:
        for request in (("UPDATE", written[name], written["db"]), ("DELETE", written[name], None)):
            assert denials(policy, controller, *request), (name, request[0])
    assert "foreign" in written


def no_difference(namespace, wrapped, *way):
    """Tests that applying the same manifest again changes nothing and shows no difference."""
    name = yaml.safe_load(wrapped)["metadata"]["name"]
    before = namespace.get("wrappedsecret", name)
    diff = namespace.kubectl("diff", *way, "-f", "-", given=wrapped, check=False)
    assert diff.returncode == 0 and diff.stdout == "", diff.stdout + diff.stderr
    namespace.kubectl("apply", "--validate=false", *way, "-f", "-", given=wrapped)
    assert namespace.get("wrappedsecret", name) == before


def events(namespace):
    return [event["metadata"]["name"] for event in namespace.events() if event["source"]["component"] == "secrets-bridge"]


def count_an_event(cluster, namespace, token):
    """Sends the controller's request for a repeated event, with its token."""
    host, port = cluster.address
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{namespace.name}/events/{events(namespace)[0]}", b'{"count":2}', method="PATCH",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"})
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context(cafile=cluster.authority)) as answer:
        assert json.load(answer)["count"] == 2


def test_a_standby_takes_over(cluster, vault, release, image_root, scratch):
    """Runs two replicas as in the chart, then stops the leader."""
    namespace = Namespace(cluster, "billing", vault.developer)
    deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
    assert deployment["spec"]["replicas"] == 2
    with Pod(cluster, deployment, image_root, scratch / "pod-b", "secrets-bridge-b").running() as second:
        with Pod(cluster, deployment, image_root, scratch / "pod-c", "secrets-bridge-c").running():
            namespace.apply(namespace.wrap("a", k="v"))
            namespace.until_values("a", k="v")
        namespace.apply(namespace.wrap("b", k="v"))
        namespace.until_values("b", k="v")
        assert second.is_ready()


def test_helm_test_checks_readiness(cluster, release, image_root, scratch):
    """Runs the command of helm's test pod with the resolved name of the Service."""
    deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
    with Pod(cluster, deployment, image_root, scratch / "pod-e", "secrets-bridge-e").running() as pod:
        helms = subprocess.Popen(
            [HELMS["4"], "test", "secrets-bridge", "-n", NAMESPACE, "--timeout=60s"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**ENVIRONMENT, "KUBECONFIG": str(cluster.kubeconfig)}, text=True)
        try:
            eventually("helm makes the pod", lambda: cluster.exists("pod", "secrets-bridge-test", NAMESPACE))
            command = cluster.get("pod", "secrets-bridge-test", NAMESPACE)["spec"]["containers"][0]["command"]
            service = cluster.get("service", "secrets-bridge-metrics", NAMESPACE)
            assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
            name = f"{service['metadata']['name']}.{NAMESPACE}.svc:{service['spec']['ports'][0]['port']}"
            assert name in command[-1]
            answer = run("busybox", *command[:-1], command[-1].replace(name, f"127.0.0.1:{pod.port}"), check=False)
            phase = "Succeeded" if answer.returncode == 0 else "Failed"
            cluster.kubectl("patch", "pod", "secrets-bridge-test", "-n", NAMESPACE, "--subresource=status", "--type=merge",
                            "-p", json.dumps({"status": {"phase": phase}}))
            output, _ = helms.communicate(timeout=60)
        finally:
            helms.kill()
        assert helms.returncode == 0 and "Succeeded" in output, output


def test_restarts_workloads_with_the_right_to(cluster, vault, release, image_root, scratch):
    namespace = Namespace(cluster, "workloads", vault.developer)
    helm("3", "upgrade", "secrets-bridge", CHART, "-n", NAMESPACE, "--reuse-values", "--set=rolloutRestart.enabled=true",
         *flags(cluster, "3"), kubeconfig=cluster.kubeconfig)
    kinds = ["Deployment", "StatefulSet", "DaemonSet"]
    for kind in kinds:
        namespace.kubectl("create", "-f", "-", given=json.dumps(workload(kind)))
    targets = {"spec": {"rolloutRestart": [{"kind": kind, "name": "api"} for kind in kinds]}}
    before = cluster.audit_lines()
    with Pod(cluster, cluster.get("deployment", "secrets-bridge", NAMESPACE), image_root, scratch / "pod-f", "secrets-bridge-f").running():
        for value in ("one", "two"):
            wrapped = yaml.safe_load(namespace.wrap("db", k=value))
            wrapped["spec"] |= targets["spec"]
            namespace.apply(json.dumps(wrapped))
            namespace.until_values("db", k=value)
            namespace.until("db", "Synced")
        for kind in kinds:
            eventually(f"the {kind} is restarted", lambda kind=kind: namespace.get(kind, "api")["metadata"]["generation"] == 2)
    used = {request[:3] for request in cluster.requests(before) if request[1] == "apps"}
    assert used == rules(cluster, "clusterrole", "secrets-bridge-rollout-restart")


def workload(kind):
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "api"}]}}
    spec = {"selector": {"matchLabels": {"app": "api"}}, "template": template, **({"serviceName": "api"} if kind == "StatefulSet" else {})}
    return {"apiVersion": "apps/v1", "kind": kind, "spec": spec,
            "metadata": {"name": "api", "annotations": {"secrets-bridge.io/allow-restart": "db"}}}


def test_roles_in_its_namespaces_are_enough(cluster, vault, release, image_root, scratch):
    here, elsewhere = Namespace(cluster, "team-a", vault.developer), Namespace(cluster, "team-b", vault.developer)
    helm("3", "upgrade", "secrets-bridge", CHART, "-n", NAMESPACE, "--reuse-values", "--set=controller.watchNamespaces={team-a}",
         *flags(cluster, "3"), kubeconfig=cluster.kubeconfig)
    assert not cluster.exists("clusterrole", "secrets-bridge")
    deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
    with Pod(cluster, deployment, image_root, scratch / "pod-d", "secrets-bridge-d").running():
        for namespace in (elsewhere, here):
            namespace.apply(namespace.wrap("db", k="v"))
        here.until_values("db", k="v")
    assert elsewhere.values("db") is None
    cluster.requests()  # no request was denied


def test_without_the_right_to_delete_the_old_secret_stays(cluster, vault, release, image_root, scratch):
    """Has to be the last test of this file, because its requests are denied."""
    namespace = Namespace(cluster, "keeps", vault.developer)
    helm("3", "upgrade", "secrets-bridge", CHART, "-n", NAMESPACE, "--reuse-values", "--set=rbac.deleteSecrets=false",
         "--set-json=controller.watchNamespaces=[]", *flags(cluster, "3"), kubeconfig=cluster.kubeconfig)
    assert not cluster.exists("clusterrole", "secrets-bridge-delete-secrets")

    def apply_immutable(value):
        wrapped = yaml.safe_load(namespace.wrap("db", k=value))
        wrapped["spec"] |= {"template": {"immutable": True}, "recreate": True}
        namespace.apply(json.dumps(wrapped))

    deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
    with Pod(cluster, deployment, image_root, scratch / "pod-g", "secrets-bridge-g").running():
        apply_immutable("one")
        namespace.until_values("db", k="one")
        uid = namespace.get("secret", "db")["metadata"]["uid"]
        apply_immutable("two")
        namespace.until("db", "Forbidden")
        (ready,) = (condition for condition in namespace.get("wrappedsecret", "db")["status"]["conditions"] if condition["type"] == "Ready")
        assert "deleting Secret keeps/db" in ready["message"] and 'cannot delete resource "secrets"' in ready["message"]
        assert namespace.get("secret", "db")["metadata"]["uid"] == uid and namespace.values("db") == {"k": "one"}

        namespace.apply(namespace.wrap("moved", "--scope=namespace", k="v"))
        namespace.until_values("moved", k="v")
        namespace.kubectl("patch", "wrappedsecret", "moved", "--type=merge", "-p", '{"spec":{"template":{"metadata":{"name":"new"}}}}')
        namespace.until_values("new", k="v")
        eventually("an event says so", lambda: "LeftoverNotRemoved" in [event["reason"] for event in namespace.events()])
        assert namespace.values("moved") == {"k": "v"}
        namespace.until("moved", "Synced")
