"""The examples of manifests/policies allow and deny what docs/policies.md says. Their CEL is evaluated in Python, because the API
server of the tests may be older than 1.30 and there is no Kyverno."""

import copy
import json

import pytest
import yaml

from chart import ROOT, parsed
from policy import Cluster, denials

FOLDER = ROOT / "manifests/policies"
CONTROLLER = "system:serviceaccount:secrets-bridge:secrets-bridge"
ALICE = "alice@example.com"
COMMIT = "Secrets of this namespace come from Git; commit a WrappedSecret (secrets-bridge wrap) instead"
RECORDED = json.loads((ROOT / "Tests/Chart/recorded/Synced.json").read_text())
PAYMENTS, OTHERS, FOREIGN = "vault-transit:transit/payments", "vault-transit:transit/sb-wrap", "local:5fd519e0"


def documents(name):
    return {found["kind"]: found for found in parsed((FOLDER / name).read_text())}


def policies(name):
    vap, kyverno = documents(f"{name}.yaml")["ValidatingAdmissionPolicy"], documents(f"kyverno-{name}.yaml")["ValidatingPolicy"]
    return pytest.mark.parametrize("policy", [vap, kyverno], ids=["ValidatingAdmissionPolicy", "Kyverno"])


def secret(data=None, kind="Opaque", **metadata):
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "payments", **metadata}, "type": kind}
    return {**value, "data": data} if data is not None else value


SOME, OTHER = {"password": "eA=="}, {"password": "eQ=="}
WRITES = {
    "the controller creates": (CONTROLLER, "CREATE", None, secret(SOME), []),
    "the controller updates": (CONTROLLER, "UPDATE", secret(SOME), secret(OTHER), []),
    "cert-manager creates": ("system:serviceaccount:cert-manager:cert-manager", "CREATE", None, secret(SOME, "kubernetes.io/tls"), []),
    "a user creates": (ALICE, "CREATE", None, secret(SOME), [COMMIT]),
    "a user creates one without values": (ALICE, "CREATE", None, secret(), []),
    "a user creates one with an empty map": (ALICE, "CREATE", None, secret({}), []),
    "a user changes a value": (ALICE, "UPDATE", secret(SOME), secret(OTHER), [COMMIT]),
    "a user adds the first value": (ALICE, "UPDATE", secret(), secret(SOME), [COMMIT]),
    "a user adds a value": (ALICE, "UPDATE", secret(SOME), secret({**SOME, "user": "eA=="}), [COMMIT]),
    "a user removes all values": (ALICE, "UPDATE", secret(SOME), secret(), []),
    "a user annotates": (ALICE, "UPDATE", secret(SOME), secret(SOME, annotations={"secrets-bridge.io/allow": "adopt"}), []),
    "a pipeline creates": ("system:serviceaccount:payments:deployer", "CREATE", None, secret(SOME), [COMMIT]),
    "a service account with a similar name creates": ("system:serviceaccount:secrets-bridge:secrets-bridge2", "CREATE", None, secret(SOME), [COMMIT]),
    "a user who calls themselves kube creates": ("kube-admin", "CREATE", None, secret(SOME), [COMMIT]),
    "helm writes a release": (ALICE, "CREATE", None, secret(SOME, "helm.sh/release.v1"), None),
    "the token controller fills in": ("system:kube-controller-manager", "UPDATE", secret(), secret(SOME), None),
    "a controller of the control plane writes": ("system:serviceaccount:kube-system:token-cleaner", "UPDATE", secret(), secret(SOME), None),
    "a user deletes": (ALICE, "DELETE", secret(SOME), None, None),
}


@policies("no-plain-secrets")
@pytest.mark.parametrize("case", WRITES)
def test_no_plain_secrets(policy, case):
    username, operation, old, new, expected = WRITES[case]
    assert denials(policy, username, operation, old, new) == expected


def wrapped(*keys, namespace="payments", **metadata):
    value = copy.deepcopy(RECORDED)
    value["metadata"] = {"name": "db", "namespace": namespace, **metadata}
    value["spec"]["recipients"] = [{**value["spec"]["recipients"][0], "keyID": key} for key in keys]
    return value


KEYS = {
    "the key of the namespace": ("CREATE", None, wrapped(PAYMENTS), True),
    "the key of others": ("CREATE", None, wrapped(OTHERS), False),
    "the key of others elsewhere": ("CREATE", None, wrapped(OTHERS, namespace="shop"), True),
    "the key of a namespace elsewhere": ("CREATE", None, wrapped(PAYMENTS, namespace="shop"), False),
    "another key": ("CREATE", None, wrapped(FOREIGN), False),
    "one more recipient": ("UPDATE", wrapped(PAYMENTS), wrapped(PAYMENTS, FOREIGN), False),
    "a part of a key id": ("CREATE", None, wrapped("vault-transit:transit/pay"), False),
    "a line break in a key id": ("CREATE", None, wrapped(f"{PAYMENTS}\n"), False),
    "an empty key id": ("CREATE", None, wrapped(""), True),  # the CRD refuses it: minLength
    "a label of one from before": ("UPDATE", wrapped(FOREIGN), wrapped(FOREIGN, labels={"a": "b"}), True),
    "a move to the key": ("UPDATE", wrapped(FOREIGN), wrapped(PAYMENTS), True),
    "a move to another": ("UPDATE", wrapped(PAYMENTS), wrapped(FOREIGN), False),
}


@pytest.fixture(autouse=True)
def lists(monkeypatch):
    lists = documents("allowed-keys.yaml")["ConfigMap"]
    monkeypatch.setattr(Cluster, "objects", {"v1/configmaps/secrets-bridge/allowed-keys": lists})
    return lists


@policies("allowed-keys")
@pytest.mark.parametrize("case", KEYS)
def test_allowed_keys(policy, case, lists):
    operation, old, new, allowed = KEYS[case]
    assert (denials(policy, ALICE, operation, old, new, lists) == []) is allowed


@policies("allowed-keys")
def test_status_is_not_matched(policy):
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["wrappedsecrets"]


def test_message_names_the_keys(lists):
    policy = documents("allowed-keys.yaml")["ValidatingAdmissionPolicy"]
    assert denials(policy, ALICE, "CREATE", None, wrapped(FOREIGN), lists) == [
        f"namespace payments allows the keys {PAYMENTS}; wrap with one of them, or move with secrets-bridge rewrap"]
    assert denials(policy, ALICE, "CREATE", None, wrapped(FOREIGN), {**lists, "data": {}}) != []
    assert denials(policy, ALICE, "CREATE", None, wrapped(FOREIGN), {"metadata": {}}) != []


@pytest.mark.parametrize("name", ["no-plain-secrets", "allowed-keys"])
def test_bindings_deny(name):
    found = documents(f"{name}.yaml")
    policy, binding = found["ValidatingAdmissionPolicy"], found["ValidatingAdmissionPolicyBinding"]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"] and binding["spec"]["validationActions"] == ["Deny"]
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_lists_are_where_the_binding_looks():
    found = documents("allowed-keys.yaml")
    reference, lists = found["ValidatingAdmissionPolicyBinding"]["spec"]["paramRef"], found["ConfigMap"]
    assert (reference["name"], reference["namespace"]) == (lists["metadata"]["name"], lists["metadata"]["namespace"])
    assert reference["parameterNotFoundAction"] == "Deny"
    assert found["ValidatingAdmissionPolicy"]["spec"]["paramKind"] == {"apiVersion": lists["apiVersion"], "kind": lists["kind"]}


# The fields of ValidatingPolicy in policies.kyverno.io/v1 that the examples use, from Kyverno's CRD.
KYVERNO = {"failurePolicy", "validationActions", "evaluation", "matchConstraints", "matchConditions", "variables", "validations"}


@pytest.mark.parametrize("name", ["no-plain-secrets", "allowed-keys"])
def test_kyverno_has_the_expressions_of_the_admission_policy(name):
    policy, kyverno = documents(f"{name}.yaml")["ValidatingAdmissionPolicy"], documents(f"kyverno-{name}.yaml")["ValidatingPolicy"]
    assert kyverno["apiVersion"] == "policies.kyverno.io/v1" and set(kyverno["spec"]) <= KYVERNO
    assert kyverno["spec"].get("matchConditions") == policy["spec"].get("matchConditions")
    for mine, theirs in zip(policy["spec"]["validations"], kyverno["spec"]["validations"], strict=True):
        assert {key: value for key, value in mine.items() if key != "messageExpression"} == theirs
    assert kyverno["spec"]["evaluation"] == {"background": {"enabled": False}}


def test_every_example_is_tested():
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{prefix}{name}.yaml" for prefix in ("", "kyverno-") for name in ("no-plain-secrets", "allowed-keys")}
    for path in FOLDER.iterdir():
        for found in yaml.safe_load_all(path.read_text()):
            for validation in found.get("spec", {}).get("validations", []):
                assert "\n" not in validation["message"] and validation["reason"] == "Forbidden"
