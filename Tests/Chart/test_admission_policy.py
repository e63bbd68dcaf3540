"""The admission policy of the chart and the manifests allows the controller's writes, and denies all other writes with its token.
The requests have the form that the API server sends to admission."""

import copy

import pytest

from chart import NAMESPACE, ROOT, parsed, rendered
from policy import denials

CONTROLLER = f"system:serviceaccount:{NAMESPACE}:secrets-bridge"
OWNER = {"apiVersion": "secrets-bridge.io/v1alpha1", "kind": "WrappedSecret", "name": "db", "uid": "u1", "controller": True}
NOT_OURS = "the service account of Secrets Bridge can write only Secrets that Secrets Bridge made or was allowed to change"
TOKEN = "the service account of Secrets Bridge cannot write tokens"
RELEASE = "the service account of Secrets Bridge cannot write releases of Helm"


@pytest.fixture(scope="module", params=["chart", "manifests"])
def policy(request):
    if request.param == "chart":
        objects = rendered("local", "--set=admissionPolicy.enabled=true")
    else:
        objects = parsed((ROOT / "manifests/admission-policy.yaml").read_text())
    (found,) = (found for found in objects if found["kind"] == "ValidatingAdmissionPolicy")
    (binding,) = (found for found in objects if found["kind"] == "ValidatingAdmissionPolicyBinding")
    assert binding["spec"] == {"policyName": found["metadata"]["name"], "validationActions": ["Deny"]}
    assert found["spec"]["failurePolicy"] == "Fail"
    return found


def secret(name="db", managed=True, owners=(OWNER,), annotations=None, manager="secrets-bridge", kind="Opaque", labels=None):
    """Returns the stored form, with the fields that the API server adds."""
    metadata = {
        "name": name, "namespace": "payments", "uid": "s1", "resourceVersion": "50", "creationTimestamp": "2026-01-15T09:30:00Z",
        "labels": {**({"app.kubernetes.io/managed-by": "secrets-bridge", "secrets-bridge.io/managed": "true"} if managed else {}),
                   **(labels or {})},
        "annotations": annotations or {},
        "ownerReferences": list(owners),
        "managedFields": [{"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-01-15T09:30:00Z",
                           "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:password": {}}}}],
    }
    # Empty fields are omitted.
    metadata = {key: value for key, value in metadata.items() if value not in ({}, [])}
    return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": {"password": "eA=="}, "type": kind}


def foreign(**more):
    return secret(**{"managed": False, "owners": (), "manager": "kubectl-create", **more})


def bare():
    """Returns the smallest Secret of a request."""
    return {"metadata": {"name": "db", "namespace": "payments"}}


MERGED = {"secrets-bridge.io/allow": "merge", "secrets-bridge.io/source-1b2c": "u1/3"}
ALLOWED = {
    "creates": ("CREATE", None, secret()),
    "creates one that outlives its owner": ("CREATE", None, secret(owners=(), annotations={"secrets-bridge.io/creation-policy": "Orphan"})),
    "updates": ("UPDATE", secret(), secret(annotations={"secrets-bridge.io/source": "u1/4"})),
    "puts its label back": ("UPDATE", secret(managed=False, manager="kubectl-edit"), secret()),
    "puts label and owner back": ("UPDATE", secret(managed=False, owners=()), secret()),
    "takes back one that has our annotation alone": (
        "UPDATE", foreign(manager="velero", annotations={"secrets-bridge.io/wrapped-secret": "db"}), secret()),
    "recreates one that has our annotation alone": (
        "DELETE", foreign(manager="velero", annotations={"secrets-bridge.io/wrapped-secret": "db"}), None),
    "takes back its entries after a restore": (
        "UPDATE", foreign(manager="velero", annotations={"secrets-bridge.io/source-1b2c": "u1/3"}), secret(owners=(), annotations=MERGED)),
    "adopts": ("UPDATE", foreign(annotations={"secrets-bridge.io/allow": "adopt"}), secret()),
    "merges for the first time": ("UPDATE", foreign(annotations={"secrets-bridge.io/allow": "merge"}), secret(owners=(), annotations=MERGED)),
    "merges again": ("UPDATE", secret(owners=(), annotations=MERGED), secret(owners=(), annotations=MERGED)),
    "takes its entries out": (
        "UPDATE", secret(owners=(), annotations={"secrets-bridge.io/source-1b2c": "u1/3"}, manager="secrets-bridge-1b2c"), foreign()),
    "takes its entries out after its label": ("UPDATE", foreign(manager="secrets-bridge-1b2c"), foreign()),
    "deletes what an earlier name left": ("DELETE", secret(), None),
    "lets go of one": ("UPDATE", secret(), secret(owners=())),
}
DENIED = {
    "creates one of its own": ("CREATE", None, foreign(), [NOT_OURS]),
    "creates the least": ("CREATE", None, bare(), [NOT_OURS]),
    "creates one that only claims an owner": ("CREATE", None, foreign(owners=(OWNER,)), [NOT_OURS]),
    "updates a foreign one": ("UPDATE", foreign(), foreign(), [NOT_OURS]),
    "labels a foreign one": ("UPDATE", foreign(), secret(), [NOT_OURS]),
    "marks a foreign one": ("UPDATE", foreign(), foreign(annotations={"secrets-bridge.io/wrapped-secret": "db"}), [NOT_OURS]),
    "creates one with our annotation alone": ("CREATE", None, foreign(annotations={"secrets-bridge.io/wrapped-secret": "db"}), [NOT_OURS]),
    "allows itself a foreign one": ("UPDATE", foreign(), foreign(annotations={"secrets-bridge.io/allow": "adopt"}), [NOT_OURS]),
    "updates one with our label set to another value": ("UPDATE", foreign(labels={"secrets-bridge.io/managed": "false"}), secret(), [NOT_OURS]),
    "updates one of a controller with a similar name": ("UPDATE", foreign(manager="secrets-bridged"), secret(), [NOT_OURS]),
    "updates one of another kind's owner": ("UPDATE", foreign(owners=({**OWNER, "apiVersion": "example.com/v1"},)), secret(), [NOT_OURS]),
    "deletes a foreign one": ("DELETE", foreign(), None, [NOT_OURS]),
    "deletes one that may be adopted": ("DELETE", foreign(annotations={"secrets-bridge.io/allow": "adopt"}), None, [NOT_OURS]),
    "creates a token of a service account": ("CREATE", None, secret(kind="kubernetes.io/service-account-token"), [TOKEN]),
    "creates a bootstrap token": ("CREATE", None, secret(kind="bootstrap.kubernetes.io/token"), [TOKEN]),
    "turns one into a token": ("UPDATE", secret(), secret(kind="kubernetes.io/service-account-token"), [TOKEN]),
    "merges into a token": (
        "UPDATE", foreign(kind="kubernetes.io/service-account-token", annotations={"secrets-bridge.io/allow": "merge"}),
        secret(kind="kubernetes.io/service-account-token", owners=(), annotations=MERGED), [TOKEN]),
    "deletes a token": ("DELETE", secret(kind="kubernetes.io/service-account-token"), None, [TOKEN]),
    "creates a release of Helm": ("CREATE", None, secret(kind="helm.sh/release.v1"), [RELEASE]),
    "creates one by its name": ("CREATE", None, secret(name="sh.helm.release.v1.api.v2"), [RELEASE]),
    "creates one by its label": ("CREATE", None, secret(labels={"owner": "helm"}), [RELEASE]),
    "labels one as a release": ("UPDATE", secret(), secret(labels={"owner": "helm"}), [RELEASE]),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allows_what_the_controller_writes(policy, case):
    assert denials(policy, CONTROLLER, *ALLOWED[case]) == []


@pytest.mark.parametrize("case", DENIED)
def test_denies_writes_that_the_controller_never_sends(policy, case):
    operation, old, new, expected = DENIED[case]
    assert denials(policy, CONTROLLER, operation, old, new) == expected


def test_matches_the_controller_alone(policy):
    for username in ("kubernetes-admin", "system:serviceaccount:payments:secrets-bridge", "system:serviceaccount:kube-system:generic-garbage-collector"):
        assert denials(policy, username, "CREATE", None, foreign()) is None


def test_matches_the_service_account_of_the_release():
    (policy,) = (found for found in rendered("everything") if found["kind"] == "ValidatingAdmissionPolicy")
    assert denials(policy, f"system:serviceaccount:{NAMESPACE}:bridge-account", "CREATE", None, foreign()) == [NOT_OURS]
    assert denials(policy, CONTROLLER, "CREATE", None, foreign()) is None


def test_releases_that_the_operator_allows_pass():
    arguments = ("--set=admissionPolicy.enabled=true", "--set=controller.allowSecretTypes={helm.sh/release.v1}")
    (policy,) = (found for found in rendered("local", *arguments) if found["kind"] == "ValidatingAdmissionPolicy")
    assert denials(policy, CONTROLLER, "CREATE", None, secret(kind="helm.sh/release.v1")) == []
    assert denials(policy, CONTROLLER, "CREATE", None, secret(kind="bootstrap.kubernetes.io/token")) == [TOKEN]


def test_every_validation_denies_a_case(policy):
    seen = {message for *_, messages in DENIED.values() for message in messages}
    assert seen == {validation["message"] for validation in policy["spec"]["validations"]}
    for validation in policy["spec"]["validations"]:
        assert "\n" not in validation["message"] and validation["reason"] == "Forbidden"


def test_first_validation_needs_each_of_its_parts(policy):
    """Without any one of the alternatives, the policy denies a write of the controller."""
    parts = policy["spec"]["validations"][0]["expression"].split(" || ")
    assert len(parts) == 5
    for part in parts:
        less = copy.deepcopy(policy)
        less["spec"]["validations"][0]["expression"] = " || ".join(other for other in parts if other != part)
        assert any(denials(less, CONTROLLER, *case) for case in ALLOWED.values()), part
