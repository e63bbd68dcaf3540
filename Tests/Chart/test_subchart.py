"""The chart as a dependency of another one, with a condition, tags, an alias and global values."""

import json
import re

import pytest
import yaml

from chart import CHART, CRDS, HELMS, NAMESPACE, helm, parsed
from release import flags, settings
from test_names import LABEL_VALUE, SERVICE_NAME, own_names

CONTROLLER = {"backend": "local", "devProfile": True}


@pytest.fixture(params=HELMS)
def major(request):
    return request.param


def parent(folder, major, values, dependencies=({},)):
    """Creates a chart with one object that depends on this chart."""
    entry = {"name": "secrets-bridge", "version": "0.1.0", "repository": f"file://{CHART}", "tags": ["security"]}
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "icon": "https://example.com/icon.png",
             "dependencies": [{**entry, "condition": "secrets-bridge.enabled", **more} for more in dependencies]}
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about))
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    (folder / "templates/own.yaml").write_text(json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "b"}}))
    helm(major, "dependency", "update", folder)
    return folder


def kinds(major, chart, *arguments):
    return {found["kind"] for found in parsed(helm(major, "template", "app", chart, *arguments).stdout)}


SWITCHES = {
    "nothing is said": ([], True),
    "the condition is true": (["secrets-bridge.enabled=true"], True),
    "the condition is false": (["secrets-bridge.enabled=false"], False),
    "the tag is true": (["tags.security=true"], True),
    "the tag is false": (["tags.security=false"], False),
    "the condition overrules the tag": (["tags.security=false", "secrets-bridge.enabled=true"], True),
    "global values": (["global.imageRegistry=registry.example.com", "global.labels.a=b"], True),
    "tags and global values of its own": (["secrets-bridge.tags.a=true", "secrets-bridge.global.a=b", "secrets-bridge.enabled=true"], True),
}


@pytest.fixture(scope="module")
def platforms(tmp_path_factory):
    return {major: parent(tmp_path_factory.mktemp("platform") / "platform", major, {"secrets-bridge": CONTROLLER}) for major in HELMS}


@pytest.mark.parametrize("switch", SWITCHES)
def test_switches(major, switch, platforms):
    arguments, is_there = SWITCHES[switch]
    found = kinds(major, platforms[major], *(f"--set={argument}" for argument in arguments))
    assert "ConfigMap" in found and ("Deployment" in found) is is_there


def test_lints(major, tmp_path):
    values = {"global": {"a": "b"}, "tags": {"security": True}, "secrets-bridge": {**CONTROLLER, "enabled": True}}
    helm(major, "lint", "--strict", "--with-subcharts", parent(tmp_path / "platform", major, values))


def test_unknown_values_are_rejected(major, tmp_path):
    chart = parent(tmp_path / "platform", major, {"secrets-bridge": {**CONTROLLER, "enable": True}})
    refusal = helm(major, "template", "app", chart, check=False)
    assert refusal.returncode != 0 and "enable" in refusal.stderr
    refusal = helm(major, "template", "app", chart, "--set=secrets-bridge.enable=null,secrets-bridge.enabled=yes", check=False)
    assert refusal.returncode != 0 and "enabled" in refusal.stderr


def test_two_aliases_have_distinct_names(major, tmp_path):
    """Tests a split cluster in one release: the second dependency omits the definition."""
    shards = {"bridgePayments": {**CONTROLLER, "controller": {"watchNamespaces": ["payments"]}},
              "bridge_" + "b" * 60: {**CONTROLLER, "controller": {"watchNamespaces": ["billing"]}, "crds": {"install": False}}}
    chart = parent(tmp_path / "platform", major, shards, [{"alias": alias, "condition": f"{alias}.enabled"} for alias in shards])
    objects = parsed(helm(major, "template", "a" * 53, chart).stdout)
    names = own_names(objects)
    assert len([kind for kind, _ in names if kind == "Deployment"]) == 2
    assert len(set(names)) == len(names), "an object is there twice"
    for kind, name in names:
        assert re.fullmatch(SERVICE_NAME, name), (kind, name)
    selectors = [found["spec"]["selector"] for found in objects if found["kind"] == "Service"]
    assert selectors[0] != selectors[1]
    for found in objects:
        for value in found["metadata"].get("labels", {}).values():
            assert re.fullmatch(LABEL_VALUE, value), value


@pytest.mark.parametrize("release", ["app", "1" + "r" * 52])
def test_installs(cluster, major, tmp_path, release):
    chart = parent(tmp_path / "platform", major, {"global": {"a": "b"}, "secrets-bridge": {**CONTROLLER, "enabled": True}})

    def run(command, *words):
        helm(major, command, release, *words, "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)

    def deployments():
        return len(cluster.list("deployments", "-n", NAMESPACE, "-l", f"app.kubernetes.io/instance={release}"))

    cluster.kubectl("delete", "crd", *CRDS, "--ignore-not-found")
    given = [word.replace("--set=", "--set=secrets-bridge.") for word in settings(cluster)] + flags(cluster, major)
    run("install", chart, *given)
    assert deployments() == 1
    run("upgrade", chart, *given, "--set=secrets-bridge.enabled=false")
    assert deployments() == 0 and cluster.exists("configmap", "own", NAMESPACE)
    assert all(cluster.exists("crd", name) for name in CRDS), "the definitions stay where the controller is switched off"
    run("upgrade", chart, *given, "--set=secrets-bridge.enabled=true")
    assert deployments() == 1
    run("uninstall")
