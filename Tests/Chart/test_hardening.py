"""The values of docs/hardening.md render, and leave what the page says."""

import re

import pytest

from chart import NAMESPACE, ROOT, identity, parsed, template, values_file

(VALUES,) = re.findall(r"^```yaml\n(# hardened\.yaml\n.*?)^```", (ROOT / "docs/hardening.md").read_text(), re.DOTALL | re.MULTILINE)
WATCHED = {"payments", "billing"}


@pytest.mark.parametrize("backend", ["vault-transit", "aws-kms", "gcp-kms", "azure-key-vault"])
@pytest.mark.parametrize("major", ["3", "4"])
def test_the_values_of_the_page_leave_the_smallest_set_of_rights(tmp_path, major, backend):
    hardened = tmp_path / "hardened.yaml"
    hardened.write_text(VALUES)
    objects = parsed(template(major, "--values", values_file(backend), "--values", hardened).stdout)

    roles = [found for found in objects if found["kind"] in ("Role", "ClusterRole")]
    assert {identity(found)[:2] for found in roles} == {("Role", namespace) for namespace in (*WATCHED, NAMESPACE)}
    rights = {
        (namespace, resource, verb) for found in roles for namespace in [identity(found)[1]]
        for rule in found["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert {(resource, verb) for namespace, resource, verb in rights if namespace in WATCHED} == {
        *(("wrappedsecrets", verb) for verb in ("get", "list", "watch")), ("wrappedsecrets/status", "patch"),
        *(("secrets", verb) for verb in ("get", "list", "watch", "create", "patch")), *(("events", verb) for verb in ("create", "patch"))}
    assert {resource for namespace, resource, _ in rights if namespace == NAMESPACE} == {"leases"}

    outside = {found["kind"] for found in objects if not identity(found)[1] and found["kind"] != "Pod"}
    assert outside == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    (policy,) = (found["spec"] for found in objects if found["kind"] == "NetworkPolicy")
    assert policy["policyTypes"] == ["Ingress", "Egress"] and len(policy["egress"]) == 3
    (container,) = next(found for found in objects if found["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "@sha256:" in container["image"]
    assert {"--allowed-scopes=strict", "--watch-namespace=payments,billing"} <= set(container["args"]), container["args"]
