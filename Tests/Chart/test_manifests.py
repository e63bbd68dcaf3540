"""The overlays of manifests/ have the same content as the rendered chart."""

import copy
import json
import os

import pytest

from chart import CRDS, KUBECTL, OVERLAYS, ROOT, by_identity, identity, kustomized, parsed, rendered, run

MONITORING = "--set-json=networkPolicy.metricsFrom=" + json.dumps(
    [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}])
DEFINITIONS = {("CustomResourceDefinition", "", name) for name in CRDS}
# Labels that only helm writes.
HELMS_LABELS = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def plain(objects):
    """Drops helm's labels, the namespace, which helm creates, and the pod of helm test."""
    kept = []
    for found in objects:
        if found["kind"] == "Namespace" or "helm.sh/hook" in found["metadata"].get("annotations", {}):
            continue
        found = copy.deepcopy(found)
        labels = found["metadata"].get("labels", {})
        for label in HELMS_LABELS:
            labels.pop(label, None)
        if found["kind"] == "NetworkPolicy":
            without_helms_test(found["spec"])
        for container in found["spec"]["template"]["spec"]["containers"] if found["kind"] == "Deployment" else []:
            container["env"] = sorted(container["env"], key=lambda variable: variable["name"])
        kept.append(found)
    return by_identity(kept)


def without_helms_test(policy):
    """Drops the pod of helm test from the peers of the port, and rules without peers."""
    for rule in policy.get("ingress", []):
        rule["from"] = [peer for peer in rule["from"] if "podSelector" not in peer]
    policy["ingress"] = [rule for rule in policy.get("ingress", []) if rule["from"]]


def assert_same(from_manifests, from_chart):
    assert set(from_manifests) == set(from_chart)
    for name, found in from_manifests.items():
        assert found == from_chart[name], name


@pytest.mark.parametrize("values", OVERLAYS)
def test_overlay(values):
    """Adds the definitions, which are not part of an overlay, so that deleting an overlay does not delete them."""
    overlay, chart = plain(kustomized(f"overlays/{OVERLAYS[values]}")), plain(rendered(values))
    definitions = plain(kustomized("crds"))
    assert set(definitions) == DEFINITIONS and not DEFINITIONS & set(overlay)
    # The definitions have no labels of an installation.
    assert all(chart[definition]["metadata"].pop("labels") for definition in DEFINITIONS)
    assert_same({**overlay, **definitions}, chart)


def test_monitoring():
    names = {"PodMonitor", "PrometheusRule", "ConfigMap"}
    chart = rendered("local", MONITORING, *(f"--set=metrics.{name}.enabled=true" for name in ("podMonitor", "prometheusRule", "dashboard")))
    assert_same(plain(kustomized("monitoring")), plain([found for found in chart if found["kind"] in names]))


COMPONENTS = {"metrics-access": MONITORING, "without-secret-deletion": "--set=rbac.deleteSecrets=false"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_component(component, tmp_path):
    """Tests that a component changes an overlay as the value changes the chart."""
    def path(folder):
        return os.path.relpath((ROOT / "manifests" / folder).resolve(), tmp_path.resolve())

    (tmp_path / "kustomization.yaml").write_text(json.dumps(
        {"resources": [path("overlays/dev")], "components": [path(f"components/{component}")]}))
    manifests, chart = plain(parsed(run(KUBECTL, "kustomize", tmp_path).stdout)), plain(rendered("local", COMPONENTS[component]))
    assert plain(kustomized("overlays/dev")) != manifests
    assert_same(manifests, {name: found for name, found in chart.items() if name not in DEFINITIONS})


def test_admission_policy():
    by_hand = plain(parsed((ROOT / "manifests/admission-policy.yaml").read_text()))
    chart = plain(rendered("local", "--set=admissionPolicy.enabled=true"))
    assert_same(by_hand, {name: found for name, found in chart.items() if name not in plain(rendered("local"))})


def test_right_to_restart_workloads():
    by_hand = plain(parsed((ROOT / "manifests/rollout-restart-rbac.yaml").read_text()))
    chart = plain(rendered("local", "--set=rolloutRestart.enabled=true"))
    assert_same(by_hand, {name: found for name, found in chart.items() if name not in plain(rendered("local"))})


def test_role_in_a_namespace():
    by_hand = plain(parsed((ROOT / "manifests/namespaced-rbac.yaml").read_text()))
    chart = plain(rendered("local", "--set=controller.watchNamespaces={team-a}"))
    assert_same(by_hand, {name: found for name, found in chart.items() if identity(found)[1] == "team-a"})
