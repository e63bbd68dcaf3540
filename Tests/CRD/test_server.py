"""The definitions on a real API server ($SB_TEST_KUBECONFIG, where they are applied): they are structural and reject
invalid objects. Cases that CEL rejects need a server with CEL (1.25 and later); with $SB_TEST_CEL=required none is skipped."""

import json
import os
import re
import subprocess

import pytest

from crd import CASES, DEFINITIONS, NAMESPACE, WRAPPED_SECRET_CASES, provider

KUBECONFIG = os.environ.get("SB_TEST_KUBECONFIG")
pytestmark = pytest.mark.skipif(not KUBECONFIG, reason="SB_TEST_KUBECONFIG is not set")
NAMES = {kind: definition["metadata"]["name"] for kind, definition in DEFINITIONS.items()}


def kubectl(*arguments, given=None):
    return subprocess.run(
        [os.environ.get("SB_TEST_KUBECTL", "kubectl"), "--kubeconfig", KUBECONFIG, *arguments],
        input=json.dumps(given) if given else None, capture_output=True, text=True, timeout=60,
    )


@pytest.fixture(scope="module")
def namespace():
    made = kubectl("create", "namespace", NAMESPACE)
    assert made.returncode == 0, made.stderr
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def knows_cel():
    definition = json.loads(kubectl("get", "crd", "wrappedsecrets.secrets-bridge.io", "-o", "json").stdout)
    known = "x-kubernetes-validations" in json.dumps(definition["spec"])
    assert known or os.environ.get("SB_TEST_CEL") != "required", "this API server drops CEL rules"
    return known


# Rules that the server does not evaluate where its own check of the field has failed before, with the message of that check.
CHECKED_BEFORE = {"each keyID may be listed only once": "Duplicate value"}


def unindexed(text):
    """Converts new paths, spec.recipients[0].keyID, to those of old servers, spec.recipients.keyID."""
    return re.sub(r"\[\d+\]", "", text)


def placed(value):
    if value["kind"] != "WrappedSecret":
        return value
    return {**value, "metadata": {**value["metadata"], "namespace": NAMESPACE}}


@pytest.mark.parametrize("kind", NAMES)
def test_definition_is_structural_and_established(kind):
    definition = json.loads(kubectl("get", "crd", NAMES[kind], "-o", "json").stdout)
    conditions = {condition["type"]: condition["status"] for condition in definition["status"]["conditions"]}
    assert conditions["Established"] == "True" and conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case, namespace, knows_cel):
    if case.get("by") == "rule" and not knows_cel:
        pytest.skip("this API server drops CEL rules")
    if "old" in case:
        made = kubectl("create", "--validate=false", "-f", "-", given=placed(case["old"]))
        assert made.returncode == 0, made.stderr
    try:
        verb = "replace" if "old" in case else "create"
        answer = kubectl(verb, "--dry-run=server", "--validate=false", "-f", "-", given=placed(case["object"]))
    finally:
        if "old" in case:
            kubectl("delete", "wrappedsecret", case["old"]["metadata"]["name"], "-n", NAMESPACE)
    if case["expect"] == "ok" or case["by"] == "code":
        assert answer.returncode == 0, answer.stderr
    else:
        assert answer.returncode != 0
        message = case.get("message", "")
        assert unindexed(case["path"]) in unindexed(answer.stderr)
        assert message in answer.stderr or CHECKED_BEFORE.get(message, message) in answer.stderr


@pytest.mark.parametrize("kind, field, expected", [
    ("WrappedSecret", "spec.scope", "strict"), ("ClusterKeyProvider", "spec.identity.audience", "audience of the tokens"),
    ("KeyProvider", "spec.role", "role ARN")])
def test_kubectl_explains_the_fields(kind, field, expected):
    answer = kubectl("explain", f"{NAMES[kind].split('.')[0]}.{field}")
    assert expected in answer.stdout, answer.stderr


UNSEEN = {
    "WrappedSecret": WRAPPED_SECRET_CASES[0]["object"],
    "ClusterKeyProvider": provider({"vaultTransit": {"address": "https://vault.example.com:8200", "key": "k"}}),
    "KeyProvider": provider({"clusterKeyProvider": "eu", "serviceAccountName": "wrap-reader"}, "KeyProvider"),
}


@pytest.mark.parametrize("kind", UNSEEN)
def test_an_unseen_object_is_not_current(kind, namespace):
    made = kubectl("create", "--validate=false", "-o", "json", "-f", "-", given=placed(UNSEEN[kind]))
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    try:
        assert found["status"] == {"observedGeneration": -1}
    finally:
        kubectl("delete", NAMES[kind], found["metadata"]["name"], "-n", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("kind, column", [("ClusterKeyProvider", "vault-transit:transit/k"), ("KeyProvider", "eu")])
def test_kubectl_prints_the_state(kind, column, namespace):
    """Tests the columns, and that only the subresource changes the status."""
    made = kubectl("create", "--validate=false", "-f", "-", given=UNSEEN[kind])
    assert made.returncode == 0, made.stderr
    try:
        condition = {
            "type": "Ready", "status": "False", "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "AccessDenied",
            "message": "the KMS refuses the login"}
        status = {"observedGeneration": 1, "keyID": "vault-transit:transit/k", "conditions": [condition]}
        patch = json.dumps({"spec": {"serviceAccountName": "other", "allowClusterScope": True}, "status": status})
        kubectl("patch", NAMES[kind], "eu", "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"status": {"keyID": "another"}}))
        path = f"/apis/secrets-bridge.io/v1alpha1/{'namespaces/' + NAMESPACE + '/' if kind == 'KeyProvider' else ''}{NAMES[kind].split('.')[0]}/eu"
        patched = kubectl("patch", NAMES[kind], "eu", "-n", NAMESPACE, "--type=merge", "--subresource=status", "-p", patch)
        assert patched.returncode == 0, patched.stderr
        found = json.loads(kubectl("get", "--raw", path).stdout)
        assert found["spec"] == UNSEEN[kind]["spec"] and found["status"] == status
        printed = kubectl("get", NAMES[kind], "eu", "-n", NAMESPACE, "-o", "wide").stdout
        assert all(text in printed for text in ("False", "AccessDenied", "the KMS refuses the login", column)), printed
    finally:
        kubectl("delete", NAMES[kind], "eu", "-n", NAMESPACE, "--wait=false")
