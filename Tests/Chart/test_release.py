"""The real helm 3 and helm 4 install, upgrade, roll back and uninstall the chart on a real API server."""

import json
import shutil

import pytest

from chart import CHART, CRDS, HELMS, NAMESPACE, OVERLAYS, helm, identity, kustomized, rendered, values_file
from conftest import eventually
from objects import Namespace
from release import flags, installed, settings

ASSIGNMENTS = ["backend=local", "devProfile=true"]
CRD = "wrappedsecrets.secrets-bridge.io"
# Definitions that replace those of the Prometheus operator: they have its names and kinds and accept any content.
OPERATOR_KINDS = {"PodMonitor": "podmonitors", "ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}


def definition(kind, plural):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}}


@pytest.fixture(scope="module")
def operator(cluster):
    for kind, plural in OPERATOR_KINDS.items():
        cluster.kubectl("apply", "-f", "-", given=json.dumps(definition(kind, plural)))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{plural}.monitoring.coreos.com")
        eventually(f"{kind} is served", lambda plural=plural: plural in cluster.kubectl(
            "api-resources", "--api-group=monitoring.coreos.com", "-o", "name", check=False).stdout)


def served(cluster, found):
    """Replaces API versions that are newer than the server by previous ones."""
    if found["kind"] == "PodDisruptionBudget" and cluster.minor < 21:
        return {**found, "apiVersion": "policy/v1beta1"}
    return found


def dry_run(cluster, objects):
    """Applies one document with kubectl. Old servers cannot validate the definition."""
    # ValidatingAdmissionPolicy requires 1.30.
    objects = [found for found in objects if cluster.minor >= 30 or not found["kind"].startswith("ValidatingAdmissionPolicy")]
    for is_crd in (True, False):
        items = [served(cluster, found) for found in objects if (found["kind"] == "CustomResourceDefinition") is is_crd]
        if not items:
            continue
        validation = "--validate=false" if is_crd and cluster.minor < 25 else "--validate=true"
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        answer = cluster.kubectl("apply", "--dry-run=server", validation, "-f", "-", given=given)
        assert answer.stdout.count("(server dry run)") == len(items), answer.stdout


@pytest.mark.parametrize("name", [*OVERLAYS, "everything"])
def test_every_object_is_accepted(cluster, operator, name):
    for namespace in ("payments-dry", "billing-dry"):
        if not cluster.exists("namespace", namespace):
            cluster.kubectl("create", "namespace", namespace)
    more = ["--set=controller.watchNamespaces={payments-dry,billing-dry}"] if name == "everything" else []
    dry_run(cluster, rendered(name, *more))


def test_both_kinds_of_monitors_are_accepted(cluster, operator):
    for kind in ("podMonitor", "serviceMonitor"):
        dry_run(cluster, rendered("local", f"--set=metrics.{kind}.enabled=true", "--set=metrics.prometheusRule.enabled=true",
                                  "--set-json=networkPolicy.metricsFrom=[{\"namespaceSelector\": {}}]"))


@pytest.mark.parametrize("folder", [*(f"overlays/{overlay}" for overlay in OVERLAYS.values()), "monitoring"])
def test_every_overlay_is_accepted(cluster, operator, folder):
    dry_run(cluster, kustomized(folder))


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("major", HELMS)
def test_life_of_a_release(cluster, major, name):
    def run(*words):
        return helm(major, *words, "-n", NAMESPACE, kubeconfig=cluster.kubeconfig).stdout

    def deployed():
        found = cluster.get("deployment", "secrets-bridge", NAMESPACE)["spec"]
        return found["replicas"], found["template"]["spec"]["containers"][0]["args"]

    given = ["--values", values_file(name), *settings(cluster), *flags(cluster, major)]
    notes = run("install", "secrets-bridge", CHART, *given)
    assert "secrets-bridge wrap -n payments" in notes and f"backend {name}" in notes
    assert deployed() == (2, ["controller"])
    run("upgrade", "secrets-bridge", CHART, *given, "--set=replicas=3", "--set=controller.logLevel=debug")
    assert deployed() == (3, ["controller", "--log-level=debug"])
    # Helm 4 continues with the release's way of applying.
    run("rollback", "secrets-bridge", "1")
    assert deployed() == (2, ["controller"])
    run("uninstall", "secrets-bridge")
    assert sorted(identity(found) for found in leftovers(cluster)) == [("CustomResourceDefinition", "", name) for name in CRDS]


@pytest.mark.parametrize("major", HELMS)
def test_upgrade_brings_the_new_definition(cluster, scratch, major):
    """Upgrades from a chart whose definition lacks a short name and that has no providers, and rolls back."""
    earlier = scratch / f"earlier-{major}"
    shutil.copytree(CHART, earlier)
    text = (earlier / "files/wrappedsecrets.yaml").read_text()
    assert text.count("    shortNames: [wsec]\n") == 1
    (earlier / "files/wrappedsecrets.yaml").write_text(text.replace("    shortNames: [wsec]\n", ""))

    def run(*words):
        helm(major, *words, "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)

    def names():
        return cluster.get("crd", CRD)["spec"]["names"].get("shortNames")

    definitions = (earlier / "templates/crds.yaml").read_text()
    assert definitions.count('list "clusterkeyproviders" "keyproviders" "wrappedsecrets"') == 1
    (earlier / "templates/crds.yaml").write_text(definitions.replace('"clusterkeyproviders" "keyproviders" ', ""))

    def there():
        return [name for name in CRDS if cluster.exists("crd", name)]

    given = ["--values", values_file("local"), *settings(cluster), *flags(cluster, major)]
    cluster.kubectl("delete", "crd", *CRDS, "--ignore-not-found")
    run("install", "secrets-bridge", earlier, *given)
    assert names() is None and there() == [CRD]
    run("upgrade", "secrets-bridge", CHART, *given)
    assert names() == ["wsec"] and there() == CRDS
    run("rollback", "secrets-bridge", "1")
    assert names() is None and there() == CRDS, "crds.keep keeps the definitions that the earlier chart does not have"
    run("uninstall", "secrets-bridge")


def test_view_and_edit_reach_wrapped_secrets(cluster):
    def may(who, verb, resource="wrappedsecrets"):
        asked = {"namespace": "default", "verb": verb, "group": "secrets-bridge.io", "resource": resource}
        review = {"spec": {"user": who, "groups": ["system:authenticated"], "resourceAttributes": asked}}
        _, answer = cluster.api.expect({201}, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return answer["status"]["allowed"]

    for who, role in (("viewer", "view"), ("editor", "edit")):
        cluster.kubectl("-n", "default", "create", "rolebinding", who, f"--clusterrole={role}", f"--user={who}")
    assert not may("viewer", "get") and not may("editor", "create")
    with installed(cluster, "3", *ASSIGNMENTS):
        eventually("roles are aggregated", lambda: may("viewer", "get") and may("editor", "create"))
        assert may("viewer", "list") and may("viewer", "watch") and may("editor", "get") and may("editor", "delete")
        assert not may("viewer", "create") and not may("viewer", "delete")
        assert may("viewer", "get", "keyproviders") and may("editor", "create", "keyproviders")
        assert not may("viewer", "create", "keyproviders") and not may("editor", "create", "clusterkeyproviders")


def leftovers(cluster):
    """Returns the objects of the chart that still exist."""
    selector = ["-l", "app.kubernetes.io/instance=secrets-bridge"]
    return cluster.list("deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,crds", "-A", *selector)


@pytest.fixture
def wrapped(cluster):
    """Creates a WrappedSecret and its Secret."""
    namespace = Namespace(cluster, "kept", {"SB_KMS_BACKEND": "local", "SB_WRAP_MASTER_KEY": "A" * 43 + "="})
    helm("4", "install", "secrets-bridge", CHART, "-n", NAMESPACE, "--values", values_file("local"), *settings(cluster), *flags(cluster, "4"),
         kubeconfig=cluster.kubeconfig)
    namespace.apply(namespace.wrap("db", k="v"))
    owner = namespace.get("wrappedsecret", "db")
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": "db", "uid": owner["metadata"]["uid"], "controller": True}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "ownerReferences": [reference]}}
    namespace.kubectl("create", "-f", "-", given=json.dumps(secret))
    yield namespace
    cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


def test_uninstalling_keeps_what_the_values_select(cluster, wrapped):
    helm("4", "uninstall", "secrets-bridge", "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)
    assert cluster.exists("crd", CRD) and wrapped.get("wrappedsecret", "db") and wrapped.get("secret", "db")
    # Installs again over the kept definition, then uninstalls without keeping it.
    helm("3", "install", "secrets-bridge", CHART, "-n", NAMESPACE, "--values", values_file("local"), "--set=crds.keep=false",
         *settings(cluster), *flags(cluster, "3"), kubeconfig=cluster.kubeconfig)
    assert wrapped.get("wrappedsecret", "db") and wrapped.get("secret", "db")
    helm("3", "uninstall", "secrets-bridge", "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)
    eventually("the definition is gone", lambda: not cluster.exists("crd", CRD))
    # The garbage collector pauses when a watched kind is added or removed.
    eventually("the Secret is gone", lambda: wrapped.get("secret", "db") is None, seconds=180)
