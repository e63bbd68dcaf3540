"""The controller finds data that another writer puts into an owned Secret, whatever the Secret's metadata claims."""

import base64
import json
import time

import pytest

from cluster import eventually
from kubernetes_api import APPLY, JSON_PATCH, MERGE, object_path

CORRECTED = 2.0  # seconds, while the controller runs
AFTER_A_RESTART = 60.0  # where the resourceVersion moved meanwhile
FORGED = {"data": {"password": base64.b64encode(b"forged").decode()}}


def secret_of(tenant, name):
    return tenant.api.call("GET", tenant.secret_path(name))[1]


def has(tenant, name, value):
    data = secret_of(tenant, name).get("data", {})
    return base64.b64decode(data.get("password", "")).decode() == value


def synced(tenant, name, value, **spec):
    """Creates a WrappedSecret and waits until it is synced."""
    tenant.apply(name, {"password": value}, **spec)
    secret = spec.get("secret", name)
    eventually(f"Secret {secret} is written", lambda: has(tenant, secret, value), 10, 0.02)
    eventually(f"{name} is Synced", lambda: is_synced(tenant, name), 10, 0.02)


def is_synced(tenant, name):
    found = tenant.send("GET", tenant.object(name))
    conditions = found.get("status", {}).get("conditions", [])
    ready = next((one for one in conditions if one["type"] == "Ready"), {"status": ""})
    return ready["status"] == "True" and found["status"]["observedGeneration"] == found["metadata"]["generation"]


def put_managed_fields_back(tenant, name, patch=""):
    """Writes data, then restores the previous managedFields."""
    before = secret_of(tenant, name)["metadata"]["managedFields"]
    tenant.send("PATCH", tenant.secret_path(name) + patch, FORGED, MERGE)
    tenant.patch(tenant.secret_path(name), ("replace", "/metadata/managedFields", before))
    assert secret_of(tenant, name)["metadata"]["managedFields"] == before
    return True


def put_back_as_the_controller(tenant, name):
    return put_managed_fields_back(tenant, name, "?fieldManager=secrets-bridge")


def write_as_the_controller(tenant, name):
    """Writes data under the controller's name; returns whether it was in the clock second of the controller's last write."""
    before = secret_of(tenant, name)
    manager, time_before, operation = our_entry(before)
    path = tenant.secret_path(name) + f"?fieldManager={manager}&force=true"
    if operation == "Apply":
        # Server-side apply removes the fields that it omits.
        annotations = {key: value for key, value in before["metadata"]["annotations"].items() if key != "secrets-bridge.io/allow"}
        metadata = {"name": name, "labels": before["metadata"]["labels"], "annotations": annotations}
        tenant.send("PATCH", path, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **FORGED}, APPLY)
    else:
        tenant.send("PATCH", path.removesuffix("&force=true"), FORGED, MERGE)
    return our_entry(secret_of(tenant, name))[1] == time_before


def our_entry(secret):
    """Returns name, time and operation of the controller's latest entry in managedFields."""
    entries = [entry for entry in secret["metadata"]["managedFields"] if entry["manager"].startswith("secrets-bridge")]
    return max(((entry["manager"], entry["time"], entry["operation"]) for entry in entries), key=lambda entry: entry[1])


FORGERIES = [put_managed_fields_back, put_back_as_the_controller, write_as_the_controller]
POLICIES = ["Owner", "Orphan", "Merge"]


def make(tenant, name, policy, value):
    if policy == "Merge":
        target = f"{name}-target"
        if secret_of(tenant, target).get("kind") != "Secret":
            tenant.secret(target, metadata={"labels": None, "annotations": {"secrets-bridge.io/allow": "merge"}})
        synced(tenant, name, value, secret=target, creationPolicy=policy)
        return target
    synced(tenant, name, value, creationPolicy=policy)
    return name


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_forged_data_is_corrected_while_the_controller_runs(tenant, program, forge, policy):
    """Pauses the controller during the forgery, so that it sees one change, as after a lost race."""
    corrected = []
    for attempt in range(12):
        value = f"right-{attempt}"
        secret = make(tenant, "forged", policy, value)
        program.hold()
        try:
            in_time = forge(tenant, secret)
        finally:
            program.resume()
        _, took = eventually(f"the forged Secret is corrected ({policy})", lambda: has(tenant, secret, value), 10, 0.02)  # noqa: B023
        corrected += [took] if in_time else []
        if len(corrected) == 3:
            break
    print(f"   {forge.__name__}, {policy}: corrected after", " ".join(f"{took * 1000:.0f}" for took in corrected), "ms")
    assert corrected, "no write fell into the clock second of the controller's own"
    assert min(corrected) < CORRECTED


def test_forged_data_is_corrected_without_a_pause_of_the_controller(tenant, victims):
    for attempt in range(5):
        value = f"right-{attempt}"
        synced(tenant, "raced", value)
        before = secret_of(tenant, "raced")["metadata"]["managedFields"]
        operations = [{"op": "replace", "path": "/metadata/managedFields", "value": before}]
        tenant.send("PATCH", tenant.secret_path("raced"), FORGED, MERGE)
        tenant.send("PATCH", tenant.secret_path("raced"), operations, JSON_PATCH)
        eventually("the forged Secret is corrected", lambda: has(tenant, "raced", value), 5, 0.02)  # noqa: B023
        time.sleep(0.3)
        assert has(tenant, "raced", value), "the Secret was corrected and is forged again"
    victims.check("after the forgeries")


def test_forged_data_is_corrected_after_a_restart(tenant, program, victims):
    secrets = {policy: make(tenant, f"forged-{policy.lower()}", policy, "right") for policy in POLICIES}
    program.stop()
    for secret in secrets.values():
        put_managed_fields_back(tenant, secret)
    program.start()
    for policy, secret in secrets.items():
        _, took = eventually(f"the forged Secret is corrected ({policy})", lambda: has(tenant, secret, "right"), AFTER_A_RESTART)  # noqa: B023
        print(f"   {policy}: corrected {took:.2f} s after the restarted controller was ready")
    victims.check("after the restart")


def test_proof_costs_no_unwraps_where_nothing_changed(tenant, program):
    names = [f"quiet-{number}" for number in range(30)]
    for name in names:
        tenant.apply(name, {"password": name})
    for name in names:
        eventually(f"{name} is Synced", lambda: is_synced(tenant, name), 10)  # noqa: B023
    program.restart()
    time.sleep(2)
    assert unwraps(program) <= 2, "a restart over unchanged Secrets unwraps data keys"
    for name in names:
        tenant.send("PATCH", tenant.secret_path(name), {"metadata": {"labels": {"example.org/mark": "x"}}}, MERGE)
    time.sleep(2)
    print(f"   {unwraps(program):.0f} unwraps after a restart and a label on {len(names)} Secrets")
    # Background verification may unwrap each once, because this process has not written it.
    assert unwraps(program) <= len(names) + 2
    proved, _ = eventually("the Secrets are proved", lambda: quiet(program), 60, 2)
    for name in names:
        tenant.send("PATCH", tenant.secret_path(name), {"metadata": {"labels": {"example.org/mark": "y"}}}, MERGE)
    time.sleep(3)
    assert unwraps(program) <= proved + 2, "a label on Secrets that were proved unwraps data keys again"


def unwraps(program):
    return program.metric("secretsbridge_kms_items_total", operation="unwrap")


def quiet(program):
    """Returns the number of unwraps after it was constant for two seconds."""
    before = unwraps(program)
    time.sleep(2)
    return before if unwraps(program) == before else None


@pytest.mark.parametrize("patch", [
    {"conditions": [{"type": "Ready", "status": "False", "reason": "Forged", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    {"observedGeneration": 0},
    {"conditions": None},
    {"secret": None},
], ids=json.dumps)  # fmt: skip
def test_a_status_that_another_writer_patched_is_corrected(cluster, tenant, patch):
    synced(tenant, "reported", "right")
    path = object_path(tenant.namespace, "reported") + "/status"
    cluster.admin.expect({200}, "PATCH", path, {"status": patch}, kind=MERGE)

    def is_right():
        return is_synced(tenant, "reported") and "secret" in tenant.send("GET", tenant.object("reported"))["status"]

    _, took = eventually("the status is corrected", is_right, 5, 0.02)
    print(f"   corrected after {took * 1000:.0f} ms")
