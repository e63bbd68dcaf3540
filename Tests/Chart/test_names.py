"""Rendered names and labels have at most 63 characters for any names of releases and overrides, and differ between releases."""

import re

import pytest

from chart import CHART, HELMS, VALUES, helm, parsed

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# RFC 1035: the rules for Services are the strictest.
SERVICE_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"

RELEASE = "r" * 53
EVERYTHING = [
    "backend=local", "devProfile=true", "rolloutRestart.enabled=true", "admissionPolicy.enabled=true", "metrics.podMonitor.enabled=true",
    "metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true", "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b"]
CASES = {
    "the usual release": ("secrets-bridge", []),
    "the longest release": (RELEASE, []),
    "the longest release that has the chart's name in it": ("secrets-bridge".ljust(53, "r"), []),
    "a release with a digit first and dots": ("1.prod.example", []),
    "a name that would be cut behind a dash": ("r" * 44, ["nameOverride=n" + "-" * 60 + "n"]),
    "the longest release and nameOverride": (RELEASE, ["nameOverride=" + "n" * 63]),
    "the longest fullnameOverride": (RELEASE, ["fullnameOverride=" + "f" * 63]),
    "a fullnameOverride that fits alone": (RELEASE, ["fullnameOverride=" + "f" * 50]),
    "a fullnameOverride that is too long": (RELEASE, ["fullnameOverride=" + "f" * 300]),
    "a nameOverride with dots": ("a", ["nameOverride=bridge.example.com"]),
    "certain namespaces": (RELEASE, ["controller.watchNamespaces={payments}", "nameOverride=" + "n" * 63]),
    "a Service monitor": (RELEASE, ["metrics.podMonitor.enabled=false", "metrics.serviceMonitor.enabled=true"]),
}


def rendered(major, release, settings):
    assignments = [f"--set={assignment}" for assignment in [*EVERYTHING, *settings]]
    return parsed(helm(major, "template", release, CHART, "-n", "n" * 63, *assignments).stdout)


def own_names(objects):
    """Returns the names of the objects without the definition, whose name is the same in every release."""
    return [(found["kind"], found["metadata"]["name"]) for found in objects if found["kind"] != "CustomResourceDefinition"]


def labels(value, key=""):
    """Returns the values of all labels of an object and of its selectors."""
    if isinstance(value, dict):
        if key in ("labels", "matchLabels", "selector"):
            yield from (text for text in value.values() if isinstance(text, str))
        for name, inner in value.items():
            yield from labels(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from labels(inner, key)


def check(objects):
    for kind, name in own_names(objects):
        assert re.fullmatch(SERVICE_NAME if kind == "Service" else LABEL, name), (kind, name)
    values = [text for found in objects
              for text in labels(found["metadata"] if found["kind"] == "CustomResourceDefinition" else found)]
    assert len(values) > 60
    for text in values:
        assert re.fullmatch(LABEL_VALUE, text), text
    check_references(objects)


def check_references(objects):
    """Tests that every reference names a rendered object."""
    names = set(own_names(objects))
    account = next(name for kind, name in names if kind == "ServiceAccount")
    for found in objects:
        if "roleRef" in found:
            assert (found["roleRef"]["kind"], found["roleRef"]["name"]) in names
            assert [subject["name"] for subject in found["subjects"]] == [account]
        if found["kind"] == "Deployment":
            assert found["spec"]["template"]["spec"]["serviceAccountName"] == account
        if found["kind"] == "ValidatingAdmissionPolicyBinding":
            assert ("ValidatingAdmissionPolicy", found["spec"]["policyName"]) in names
    one = {kind: next(found for found in objects if found["kind"] == kind) for kind in ("Deployment", "Service", "Pod", "NetworkPolicy")}
    pods = one["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert one["Service"]["spec"]["selector"].items() <= pods
    assert one["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items() <= pods
    test = one["Pod"]["metadata"]["labels"].items()
    assert not one["Service"]["spec"]["selector"].items() <= test, "helm's test is no controller"
    (admitted, *_) = one["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    assert admitted["podSelector"]["matchLabels"].items() <= test
    assert f"http://{one['Service']['metadata']['name']}.{'n' * 63}.svc:8080/readyz" in one["Pod"]["spec"]["containers"][0]["command"]


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("case", CASES)
def test_every_name_is_valid_and_every_reference_exists(major, case):
    check(rendered(major, *CASES[case]))


SIBLINGS = {
    "releases": ((RELEASE[:-1] + "a", []), (RELEASE[:-1] + "b", [])),
    "nameOverrides": ((RELEASE, ["nameOverride=" + "n" * 62 + "a"]), (RELEASE, ["nameOverride=" + "n" * 62 + "b"])),
    "fullnameOverrides": (("a", ["fullnameOverride=" + "f" * 62 + "a"]), ("a", ["fullnameOverride=" + "f" * 62 + "b"])),
    "a dot and a dash": (("a.b", []), ("a-b", [])),
}


@pytest.mark.parametrize("case", SIBLINGS)
def test_truncated_names_stay_distinct(case):
    first, second = (set(own_names(rendered("4", *given))) for given in SIBLINGS[case])
    assert not first & second


def test_a_short_name_is_not_changed():
    names = {name for _, name in own_names(rendered("4", "bridge", ["fullnameOverride=bridge"]))}
    suffixes = ("metrics", "test", "view", "edit", "dashboard", "leader-election", "delete-secrets", "rollout-restart", "providers")
    assert names == {"bridge", *(f"bridge-{suffix}" for suffix in suffixes)}


@pytest.mark.parametrize("setting", [
    "nameOverride=Bridge", "nameOverride=-a", "fullnameOverride=a_b", "leaderElection.leaseName=a_b", "leaderElection.leaseName=a..b",
    "leaderElection.leaseName=" + "l" * 64])
def test_invalid_names_are_rejected(setting):
    refusal = helm("4", "template", "a", CHART, "--values", VALUES / "local.yaml", f"--set={setting}", check=False)
    assert refusal.returncode != 0 and setting.split("=")[0].split(".")[-1] in refusal.stderr
