"""Runs README.md from top to bottom on one cluster, and the ways from CRDs or an installation that kubectl applied to a release of the
chart. No pod runs here: what helm installs are objects. These tests delete the CRDs again and again, which makes the garbage
collector slow, so they run after those that need it."""

import json
import os
import re
import shutil
import socket

import pytest
import yaml

from chart import CHART, CRDS, HELMS, KUBECTL, NAMESPACE, OVERLAYS, ROOT, by_identity, helm, kustomized, run
from conftest import eventually
from objects import Namespace
from pages import Shell, blocks
from release import flags, settings

CRD = "wrappedsecrets.secrets-bridge.io"
LOCAL = {"SB_KMS_BACKEND": "local", "SB_WRAP_MASTER_KEY": "A" * 43 + "="}
REFUSAL = "exists and cannot be imported into the current release"


@pytest.fixture(params=HELMS)
def major(request):
    return request.param


@pytest.fixture
def fresh(cluster):
    """Removes the CRDs before and after a test."""
    def clean():
        if left := [name for name in CRDS if cluster.exists("crd", name)]:
            cluster.kubectl("delete", "crd", *left, "--ignore-not-found", "--timeout=60s")
    clean()
    yield cluster
    clean()


def quickstart(cluster, scratch, *arguments):
    """Runs a script without the user's quickstarts, with the program of the tests."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "KUBECTL": KUBECTL, "XDG_CACHE_HOME": str(scratch / "cache")}
    return run(ROOT / "hack/quickstart", *arguments, env=environment, timeout=300)


def annotations(cluster):
    return cluster.get("crd", CRD)["metadata"].get("annotations", {})


def uninstall(cluster, major):
    helm(major, "uninstall", "secrets-bridge", "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)


def test_try_it(fresh, scratch):
    assert "hack/quickstart" in (ROOT / "README.md").read_text()
    shown = quickstart(fresh, scratch, "--use-current-context", "--yes").stderr
    assert shown.count("reverted after") == 2 and "Done. --keep" in shown
    assert not any(fresh.exists("crd", name) for name in CRDS), "the CRDs are gone, so that they can be applied again at once"


def test_quickstart_leaves_a_definition_that_a_release_has_taken_over(fresh, scratch):
    quickstart(fresh, scratch, "--use-current-context", "--yes", "--keep")
    try:
        helm("4", "install", "secrets-bridge", CHART, "-n", NAMESPACE, "--take-ownership", "--set=backend=local",
             *settings(fresh, "devProfile=true"), *flags(fresh, "4"), kubeconfig=fresh.kubeconfig)
    finally:
        shown = quickstart(fresh, scratch, "--stop").stderr
    assert "the CRDs stay" in shown and all(fresh.exists("crd", name) for name in CRDS)
    uninstall(fresh, "4")


def test_use_it(fresh, scratch, major):
    """Runs the commands with another port, and stops the local controller where the page does."""
    locally, in_the_cluster = blocks("README.md", "Use it")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert locally.count("127.0.0.1:8080") == 1 and "`kill %1`" in (ROOT / "README.md").read_text()
    eventually("the namespace of an earlier test is gone", lambda: not fresh.exists("namespace", "payments"))
    shell = Shell(fresh, scratch / f"readme-{major}", major)
    shown = shell.run(f"{locally.replace('127.0.0.1:8080', f'127.0.0.1:{port}')}\nkill %1\nwait %1\n").stdout
    table = [line.split() for line in shown.splitlines()[-2:]]
    printed = [line.split() for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(("    NAME ", "    db "))]
    assert len(printed) == len(table) == 2 and table[0] == printed[0] and table[1][:4] == printed[1][:4]

    without = shell.run(in_the_cluster.replace("--take-ownership", ""), check=False)
    assert without.returncode != 0 and REFUSAL in without.stderr, "or the page need not speak of it"
    shell.run(in_the_cluster)
    assert annotations(fresh)["meta.helm.sh/release-name"] == "secrets-bridge"
    assert fresh.exists("deployment", "secrets-bridge", NAMESPACE)
    uninstall(fresh, major)
    payments = [fresh.exists(kind, "db", "payments") for kind in ("wrappedsecret", "secret")]
    assert payments == [True, True] and fresh.exists("crd", CRD)
    fresh.kubectl("delete", "namespace", "payments", "--timeout=60s")


@pytest.mark.parametrize("way", ["with the flag", "by annotations"])
def test_a_release_takes_over_the_definition(fresh, scratch, major, way):
    """Tests the take-over commands of docs/installing.md."""
    with_flag, by_annotations = blocks("docs/installing.md", "When the CRDs exist already")
    folder = f"take-over-{major}-{way.replace(' ', '-')}"
    shell = Shell(fresh, scratch / folder, major, environment={"VAULT_ADDR": "https://vault.example.com:8200"})
    shell.run("kubectl apply --server-side -f manifests/crds/")
    namespace = Namespace(fresh, folder, LOCAL)
    namespace.apply(namespace.wrap("db", k="v"))
    uid = namespace.get("wrappedsecret", "db")["metadata"]["uid"]
    (plainly, _) = blocks("docs/installing.md", "Helm")
    refusal = shell.run(plainly, check=False)
    assert refusal.returncode != 0 and REFUSAL in refusal.stderr
    shell.run(with_flag if way == "with the flag" else by_annotations)
    assert annotations(fresh)["meta.helm.sh/release-name"] == "secrets-bridge"
    assert namespace.get("wrappedsecret", "db")["metadata"]["uid"] == uid
    uninstall(fresh, major)
    assert fresh.exists("crd", CRD)


def overlay(cluster, shell, name):
    """Creates an overlay for this server, which may lack policy/v1."""
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "$patch": "delete",
              "metadata": {"name": "secrets-bridge", "namespace": NAMESPACE}}
    patches = [f"  - patch: '{json.dumps(budget)}'"] if cluster.minor < 21 else []
    lines = ["resources:", f"  - ../manifests/overlays/{name}", *(["patches:", *patches] if patches else [])]
    (shell.folder / "own").mkdir()
    (shell.folder / "own/kustomization.yaml").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("name", OVERLAYS.values())
def test_deleting_an_overlay_leaves_every_wrapped_secret(fresh, scratch, name):
    """Deletes the overlay with its namespace, and recreates the namespace for later tests."""
    shell = Shell(fresh, scratch / f"overlay-{name}")
    overlay(fresh, shell, name)
    shell.run("kubectl apply --server-side -f manifests/crds/\nkubectl apply -k own")
    namespace = Namespace(fresh, f"overlay-{name}", LOCAL)
    namespace.apply(namespace.wrap("db", k="v"))
    shell.run("kubectl delete -k own --timeout=60s")
    try:
        assert not fresh.exists("clusterrole", "secrets-bridge") and not fresh.exists("deployment", "secrets-bridge", NAMESPACE)
        assert fresh.exists("crd", CRD) and namespace.get("wrappedsecret", "db")
    finally:
        fresh.kubectl("create", "namespace", NAMESPACE)


def test_only_the_folder_of_definitions_has_them():
    folders = [path.parent for path in (ROOT / "manifests").rglob("[Kk]ustomization*") if "Component" not in path.read_text()]
    assert len(folders) >= 6
    for folder in folders:
        kinds = {found["kind"] for found in kustomized(folder.relative_to(ROOT / "manifests"))}
        assert ("CustomResourceDefinition" in kinds) is (folder.name == "crds"), folder


def test_a_release_takes_over_an_overlay(fresh, scratch, major):
    """Uses the same names, so that the release changes the existing Deployment."""
    shell = Shell(fresh, scratch / f"move-{major}", major)
    overlay(fresh, shell, "dev")
    shell.run("kubectl apply --server-side -f manifests/crds/\nkubectl apply -k own")
    uid = fresh.get("deployment", "secrets-bridge", NAMESPACE)["metadata"]["uid"]
    shell.run("helm install secrets-bridge charts/secrets-bridge -n secrets-bridge --set backend=local --set devProfile=true --take-ownership")
    (deployment,) = fresh.list("deployments", "-n", NAMESPACE)
    assert deployment["metadata"]["uid"] == uid and deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    uninstall(fresh, major)
    for kind, inside, name in by_identity(kustomized("overlays/dev")):
        if fresh.minor >= 21 or kind != "PodDisruptionBudget":
            there = fresh.exists(kind, name, inside)
            assert there is (kind == "Namespace"), (kind, name)


def chart_without_rules(folder):
    """Adapts objects for servers without CEL, which reject rules, and ports without a protocol, in server-side apply."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)

    def strip(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if isinstance(value, dict):
            value.pop("x-kubernetes-validations", None)
        for found in inner:
            strip(found)

    for path in (chart / "files").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        if definition["kind"] == "CustomResourceDefinition":
            strip(definition)
            path.write_text(yaml.safe_dump(definition))
    definition = yaml.safe_load((chart / "files/wrappedsecrets.yaml").read_text())
    for name in ("service", "deployment"):
        text = (chart / f"templates/{name}.yaml").read_text()
        (chart / f"templates/{name}.yaml").write_text(re.sub(r"^( +)- name: metrics$", r"\g<0>\n\1  protocol: TCP", text, flags=re.MULTILINE))
    return chart, definition


def test_taking_over_another_version_server_side(fresh, tmp_path):
    """Helm 4 has conflicts with kubectl's fields unless it forces them."""
    chart, definition = chart_without_rules(tmp_path)
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "Of an earlier version."
    fresh.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(definition))
    given = ["install", "secrets-bridge", chart, "-n", NAMESPACE, "--take-ownership", "--set=backend=local", *settings(fresh, "devProfile=true"),
             "--disable-openapi-validation"]
    refusal = helm("4", *given, kubeconfig=fresh.kubeconfig, check=False)
    assert refusal.returncode != 0 and 'conflict with "kubectl"' in refusal.stderr
    uninstall(fresh, "4")
    helm("4", *given, "--force-conflicts", kubeconfig=fresh.kubeconfig)
    schema = fresh.get("crd", CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["description"] != "Of an earlier version."
    uninstall(fresh, "4")
