"""Large objects sync within the memory that small ones need."""

import base64
import concurrent.futures
import hashlib
import os

import pytest

import memory_limit
from cluster import eventually
from conftest import SETTINGS, wrap
from kubernetes_api import object_path, secret_path
from program import Program

OBJECTS, SIZE = 128, 838_861  # 0.8 MiB of plaintext each
LIMIT = 128 * 2**20
NAMESPACE = "large"


@pytest.fixture
def limit():
    found = memory_limit.of(LIMIT)
    yield found
    found.remove()


@pytest.fixture(scope="module")
def large_secrets(cluster):
    """Creates 128 WrappedSecrets while no controller runs; returns their tenant and the digest of each value."""
    tenant = cluster.client(NAMESPACE, "tenant")

    def create(number):
        value = base64.b64encode(os.urandom(SIZE * 3 // 4)).decode()
        tenant.expect({201}, "POST", object_path(NAMESPACE), wrap(NAMESPACE, f"large-{number}", {"value": value}))
        return hashlib.sha256(value.encode()).hexdigest()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return tenant, dict(enumerate(pool.map(create, range(OBJECTS))))


def ended(program, limit):
    return f"the controller was ended for its memory, {limit.peak:.0f} MiB" if limit.was_hit else f"the controller ended with {program.process.returncode}"


def test_large_objects_are_synced_and_listed_again_under_a_limit(cluster, large_secrets, limit, victims):
    tenant, digests = large_secrets
    program = Program(cluster, "limited", SETTINGS, limit)
    try:
        program.start()
        _, ready = eventually("ready", lambda: not program.runs or program.get("/readyz")[0] == 200, 60)
        assert program.runs, ended(program, limit)
        _, took = eventually("all are synced", lambda: not program.runs or count(program, victims) >= OBJECTS, 180, 0.5)
        assert program.runs, ended(program, limit)
        print(f"   {type(limit).__name__}: ready after {ready:.1f} s, synced after {took:.1f} s more, {limit.peak:.0f} MiB of anonymous memory at most")
        for number, digest in digests.items():
            _, secret = tenant.call("GET", secret_path(NAMESPACE, f"large-{number}"))
            assert hashlib.sha256(base64.b64decode(secret["data"]["value"])).hexdigest() == digest
        victims.check("beside them")
        program.stop()
        limit.peak = 0
        program.start()
        _, ready = eventually("ready again", lambda: not program.runs or program.get("/readyz")[0] == 200, 60)
        assert program.runs, ended(program, limit)
        victims.check("after the restart")
        assert program.runs, ended(program, limit)
        print(f"   ready {ready:.1f} s after the restart, {limit.peak:.0f} MiB of anonymous memory at most")
        program.stop()
    finally:
        program.kill()


def count(program, victims):
    """Returns the number of synced WrappedSecrets without the victims'."""
    return program.metric("secretsbridge_wrappedsecrets", reason="Synced") - len(victims.names)
