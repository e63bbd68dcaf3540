"""The definition on a real API server ($SB_TEST_KUBECONFIG, where it is applied): it is structural and rejects
invalid objects. Cases that CEL rejects need a server with CEL (1.25 and later)."""

import json
import os
import re
import subprocess

import pytest

from crd import CASES

KUBECONFIG = os.environ.get("SB_TEST_KUBECONFIG")
pytestmark = pytest.mark.skipif(not KUBECONFIG, reason="SB_TEST_KUBECONFIG is not set")
NAMESPACE = "crd-cases"


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
    return "x-kubernetes-validations" in json.dumps(definition["spec"])


def unindexed(text):
    """Converts new paths, spec.recipients[0].keyID, to those of old servers, spec.recipients.keyID."""
    return re.sub(r"\[\d+\]", "", text)


def placed(value):
    return {**value, "metadata": {**value["metadata"], "namespace": NAMESPACE}}


def test_definition_is_structural_and_established():
    definition = json.loads(kubectl("get", "crd", "wrappedsecrets.secrets-bridge.io", "-o", "json").stdout)
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
        assert unindexed(case["path"]) in unindexed(answer.stderr) and case.get("message", "") in answer.stderr


def test_kubectl_explains_the_fields():
    answer = kubectl("explain", "wrappedsecrets.spec.scope")
    assert "strict" in answer.stdout, answer.stderr


def test_an_unseen_object_is_not_current(namespace):
    made = kubectl("create", "--validate=false", "-o", "json", "-f", "-", given=placed(CASES[0]["object"]))
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["status"] == {"observedGeneration": -1}
