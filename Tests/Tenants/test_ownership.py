"""Ownership of a Secret does not depend on metadata that a tenant can remove or forge."""

import base64
import copy
import time

import pytest

from attacks import LARGEST, MANAGED
from cluster import eventually
from kubernetes_api import MERGE
from test_tampering import FORGED, POLICIES, has, is_synced, make, secret_of, synced, unwraps

HEALED = 2.0


def foreign(secret, keeps):
    """Replaces the Secret as `kubectl replace` does with a file without owner references."""
    metadata = {key: secret["metadata"][key] for key in ("name", "namespace", *keeps)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **FORGED}


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "restarted"])
@pytest.mark.parametrize("keeps", [(), ("labels",), ("labels", "annotations"), ("ownerReferences",)], ids=str)
def test_a_secret_that_lost_its_marks_is_healed(tenant, program, keeps, is_running):
    synced(tenant, "stripped", "right")
    before = secret_of(tenant, "stripped")
    if not is_running:
        program.stop()
    tenant.send("PUT", tenant.secret_path("stripped"), foreign(before, keeps))
    if not is_running:
        program.start()
    _, took = eventually("the values are ours again", lambda: has(tenant, "stripped", "right"), 10, 0.02)
    print(f"   healed after {took * 1000:.0f} ms")
    assert took < HEALED or not is_running
    after = secret_of(tenant, "stripped")["metadata"]
    assert after["uid"] == before["metadata"]["uid"]
    assert after["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert MANAGED.items() <= after["labels"].items()


def test_a_copy_under_a_new_uid_does_not_keep_foreign_values(tenant):
    synced(tenant, "copied", "right")
    copied = foreign(secret_of(tenant, "copied"), ("labels", "annotations", "ownerReferences"))
    tenant.send("DELETE", tenant.secret_path("copied"))
    tenant.api.call("POST", tenant.secret_path(""), copied, patience=0)  # the controller may be faster
    eventually("the values are ours again", lambda: has(tenant, "copied", "right"), 5, 0.02)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_restore_of_both_objects_heals(tenant, program, policy):
    """Restores a backup with new uids, without managedFields and status, and with old values."""
    secret = make(tenant, "restored", policy, "right")
    kept = [copy.deepcopy(tenant.send("GET", path)) for path in (tenant.secret_path(secret), tenant.object("restored"))]
    program.stop()
    for found in kept:
        for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink"):
            found["metadata"].pop(field, None)
        found.pop("status", None)
    kept[0].update(FORGED)
    tenant.send("DELETE", tenant.object("restored"))
    eventually("it is gone", lambda: tenant.api.call("GET", tenant.object("restored"))[0] == 404, 10)
    tenant.send("DELETE", tenant.secret_path(secret), also={404})
    tenant.send("POST", tenant.secret_path(""), kept[0])
    tenant.send("POST", tenant.object(""), kept[1])
    program.start()
    # The garbage collector may delete the Secret first, because its owner's uid does not exist any more.
    eventually("the restored Secret has our values", lambda: has(tenant, secret, "right"), 60)
    eventually("it says so", lambda: is_synced(tenant, "restored"), 5)


@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "one after the other"])
def test_two_orphans_do_not_fight_for_a_secret_that_allows_adoption(cluster, tenant, program, is_at_once):
    tenant.secret("contested", metadata={"annotations": {"secrets-bridge.io/allow": "adopt"}}, data=FORGED["data"])
    _, mark = cluster.requests()
    if is_at_once:
        program.hold()
        tenant.apply("first", {"password": "first"}, secret="contested", creationPolicy="Orphan")
    else:
        synced(tenant, "first", "first", secret="contested", creationPolicy="Orphan")
    tenant.apply("second", {"password": "second"}, secret="contested", creationPolicy="Orphan")
    program.resume()
    time.sleep(3)
    requests, _ = cluster.requests(mark)
    writes = [one for one in requests if one["verb"] == "patch" and one["objectRef"]["resource"] == "secrets" and one["objectRef"]["name"] == "contested"]
    print(f"   {len(writes)} writes")
    assert len(writes) <= 4, f"{len(writes)} writes in 3 s"
    adopters = [name for name in ("first", "second") if is_synced(tenant, name)]
    assert adopters == ["first"] or len(adopters) == 1 and is_at_once, f"synced: {adopters}"
    assert has(tenant, "contested", adopters[0]), "a WrappedSecret says Synced while the Secret holds the other's value"


def test_an_adopted_secret_with_equal_values_is_owned(tenant, program):
    value = base64.b64encode(b"right").decode()
    tenant.secret("taken", metadata={"annotations": {"secrets-bridge.io/allow": "adopt"}}, data={"password": value})
    synced(tenant, "taken", "right", template={"metadata": {"labels": {"example.org/ours": "1"}}})
    before = unwraps(program)
    for number in range(5):
        tenant.send("PATCH", tenant.secret_path("taken"), {"metadata": {"labels": {"example.org/foreign": str(number)}}}, MERGE)
        time.sleep(0.3)
    assert unwraps(program) <= before + 1, "each foreign label costs an unwrap"
    tenant.send("PATCH", tenant.object("taken"), {"spec": {"template": None}}, MERGE)
    eventually("the label that left the template is gone", lambda: "example.org/ours" not in secret_of(tenant, "taken")["metadata"]["labels"], 5)


def claim_a_later_generation(tenant, name, number):
    uid = tenant.send("GET", tenant.object(name))["metadata"]["uid"]
    metadata = {"annotations": {"secrets-bridge.io/source": f"{uid}/{LARGEST}"}}
    data = {"password": base64.b64encode(str(number).encode()).decode()}
    tenant.send("PATCH", tenant.secret_path(name), {"metadata": metadata, "data": data}, MERGE)


def test_a_generation_from_the_future_does_not_stop_repairs(tenant):
    synced(tenant, "future", "right")
    for number in range(3):
        claim_a_later_generation(tenant, "future", number)
        eventually("the Secret is corrected", lambda: has(tenant, "future", "right"), 5, 0.02)


def test_a_generation_from_the_future_does_not_hide_another_writer(tenant):
    synced(tenant, "fought", "right")

    def reason():
        claim_a_later_generation(tenant, "fought", time.monotonic_ns())
        conditions = tenant.send("GET", tenant.object("fought"))["status"]["conditions"]
        return next(one["reason"] for one in conditions if one["type"] == "Ready") == "SecretContested"

    eventually("another writer is named", reason, 30, 0.1)
