"""The definitions on a real API server ($SB_TEST_KUBECONFIG, where they are applied): they are structural and reject
invalid objects. Cases that CEL rejects need a server with CEL (1.25 and later); with $SB_TEST_CEL=required none is skipped."""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys

import pytest

from crd import CASES, DEFINITIONS, NAMESPACE, ROOT, WRAPPED_SECRET_CASES, provider

sys.path.insert(1, str(ROOT / "hack/lib"))

from kubernetes_api import MERGE, API  # noqa: E402

KUBECONFIG = os.environ.get("SB_TEST_KUBECONFIG")
pytestmark = pytest.mark.skipif(not KUBECONFIG, reason="SB_TEST_KUBECONFIG is not set")
NAMES = {kind: definition["metadata"]["name"] for kind, definition in DEFINITIONS.items()}
# The parameters of kubectl's --validate=false --dry-run=server.
IGNORE_UNKNOWN_FIELDS = "?fieldValidation=Ignore"
DRY_RUN = f"{IGNORE_UNKNOWN_FIELDS}&dryRun=All"


def kubectl(*arguments):
    command = [os.environ.get("SB_TEST_KUBECTL", "kubectl"), "--kubeconfig", KUBECONFIG, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A client with the client certificate of the kubeconfig. A process of kubectl for each case would cost more than all tests here."""
    shown = kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    config = json.loads(shown.stdout)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    folder = tmp_path_factory.mktemp("pki")
    for name, encoded in {
        "ca.crt": cluster["certificate-authority-data"], "admin.crt": user["client-certificate-data"], "admin.key": user["client-key-data"],
    }.items():
        (folder / name).write_bytes(base64.b64decode(encoded))
    return API(cluster["server"], folder)


@pytest.fixture(scope="module")
def namespace(api):
    api.expect({201}, "POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    yield NAMESPACE
    api.expect({200}, "DELETE", f"/api/v1/namespaces/{NAMESPACE}")


def stored_definition(api, kind):
    return api.expect({200}, "GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAMES[kind]}")[1]


@pytest.fixture(scope="module")
def knows_cel(api):
    known = "x-kubernetes-validations" in json.dumps(stored_definition(api, "WrappedSecret")["spec"])
    assert known or os.environ.get("SB_TEST_CEL") != "required", "this API server drops CEL rules"
    return known


# Rules that the server does not evaluate where its own check of the field has failed before, with the message of that check.
CHECKED_BEFORE = {"each keyID may be listed only once": "Duplicate value"}
# The field in a cause that is about the object itself.
ROOT_FIELD = "<nil>"


def unindexed(text):
    """Converts new paths, spec.recipients[0].keyID, to those of old servers, spec.recipients.keyID."""
    return re.sub(r"\[\d+\]", "", text)


def placed(value):
    if value["kind"] != "WrappedSecret":
        return value
    return {**value, "metadata": {**value["metadata"], "namespace": NAMESPACE}}


def collection(value):
    """Returns the path of the objects of a value's kind in its namespace."""
    namespace = f"namespaces/{value['metadata']['namespace']}/" if "namespace" in value["metadata"] else ""
    return f"/apis/{value['apiVersion']}/{namespace}{DEFINITIONS[value['kind']]['spec']['names']['plural']}"


@contextlib.contextmanager
def created(api, value):
    """Creates an object, and deletes it at the end; yields its path and the server's object."""
    path = f"{collection(value)}/{value['metadata']['name']}"
    _, found = api.expect({201}, "POST", collection(value) + IGNORE_UNKNOWN_FIELDS, value)
    try:
        yield path, found
    finally:
        api.expect({200}, "DELETE", path)


@pytest.mark.parametrize("kind", NAMES)
def test_definition_is_structural_and_established(kind, api):
    conditions = {condition["type"]: condition["status"] for condition in stored_definition(api, kind)["status"]["conditions"]}
    assert conditions["Established"] == "True" and conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


def send(case, api):
    """Sends the object of a case as a dry run; returns status code and body."""
    value = placed(case["object"])
    if "old" not in case:
        return api.call("POST", collection(value) + DRY_RUN, value)
    with created(api, placed(case["old"])) as (path, found):
        metadata = {**value["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
        return api.call("PUT", path + DRY_RUN, {**value, "metadata": metadata})


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case, api, namespace, knows_cel):
    if case.get("by") == "rule" and not knows_cel:
        pytest.skip("this API server drops CEL rules")
    status, response = send(case, api)
    if case["expect"] == "ok" or case["by"] == "code":
        assert status == (200 if "old" in case else 201), response
        return
    # Other errors, as of a conflict or of a missing namespace, do not mean that the schema rejects the object.
    assert (status, response.get("reason")) == (422, "Invalid"), response
    causes = response["details"]["causes"]
    messages = [cause["message"] for cause in causes if unindexed(cause["field"]) == unindexed(case["path"] or ROOT_FIELD)]
    assert messages, causes
    message = case.get("message", "")
    assert any(message in found or CHECKED_BEFORE.get(message, message) in found for found in messages), messages


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
def test_an_unseen_object_is_not_current(kind, api, namespace):
    with created(api, placed(UNSEEN[kind])) as (_, found):
        assert found["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize("kind, column", [("ClusterKeyProvider", "vault-transit:transit/k"), ("KeyProvider", "eu")])
def test_kubectl_prints_the_state(kind, column, api, namespace):
    """Tests the columns, and that only the subresource changes the status."""
    condition = {
        "type": "Ready", "status": "False", "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "AccessDenied",
        "message": "the KMS refuses the login"}
    status = {"observedGeneration": 1, "keyID": "vault-transit:transit/k", "conditions": [condition]}
    with created(api, UNSEEN[kind]) as (path, _):
        api.expect({200}, "PATCH", path, {"status": {"keyID": "another"}}, kind=MERGE)
        assert api.expect({200}, "GET", path)[1]["status"] == {"observedGeneration": -1}
        patch = {"spec": {"serviceAccountName": "other", "allowClusterScope": True}, "status": status}
        api.expect({200}, "PATCH", f"{path}/status", patch, kind=MERGE)
        _, found = api.expect({200}, "GET", path)
        assert found["spec"] == UNSEEN[kind]["spec"] and found["status"] == status
        printed = kubectl("get", NAMES[kind], "eu", "-n", NAMESPACE, "-o", "wide").stdout
        assert all(text in printed for text in ("False", "AccessDenied", "the KMS refuses the login", column)), printed


def test_returns_the_identifier_of_each_request(api, knows_cel):
    """The client of the program recognises by it that a response was given to the wrong request."""
    if not knows_cel:
        pytest.skip("this API server returns none; 1.22 and later do")
    plural = NAMES["WrappedSecret"].split(".")[0]
    path = f"{api.server}/apis/secrets-bridge.io/v1alpha1/namespaces/{NAMESPACE}/{plural}"
    identifier = "8c1a7f0e-1b2c-4d3e-8f90-00000000002a"
    for url, status in ((path, 200), (f"{path}/missing", 404)):
        response = api.session().get(url, headers={"Audit-ID": identifier}, timeout=30)
        assert response.status_code == status and response.headers["Audit-ID"] == identifier
