"""All tests share one control plane and one controller of all namespaces; a tenant and a victim have a namespace each."""

import base64
import contextlib
import os
import pathlib
import resource
import shutil
import tempfile
import threading

import pytest

from cluster import Cluster
from kubernetes_api import MERGE, object_path, secret_path  # noqa: I001 - cluster sets the path

import attacks
import wrapped_secret
from program import Program
from victims import Victims

SETTINGS = {"SB_KMS_BACKEND": "local", "SB_ENV": "dev", "SB_WRAP_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}
os.environ["SB_WRAP_MASTER_KEY"] = SETTINGS["SB_WRAP_MASTER_KEY"]
KMS = wrapped_secret.Local()


def wrap(namespace, name, values):
    return wrapped_secret.make_wrapped(KMS, namespace, name, values)


@pytest.fixture(scope="session")
def settings():
    return SETTINGS


@pytest.fixture(scope="session")
def cluster():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sb-tenants-"))
    (folder / "cluster").mkdir()
    found = Cluster(folder / "cluster")
    try:
        yield found
    finally:
        found.down()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def program(cluster):
    """Runs the controller of all namespaces."""
    found = Program(cluster, "controller", SETTINGS)
    found.start()
    try:
        yield found
    finally:
        found.kill()


@pytest.fixture(scope="session")
def victims(cluster, program):
    return Victims(cluster.client("victim", "victim"), "victim", wrap)


@pytest.fixture(scope="session")
def tenant_of_session(cluster):
    return attacks.Tenant(cluster.client("hostile", "tenant"), "hostile", wrap, patience=10)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.failed = report.failed
    return report


@pytest.fixture
def tenant(request, cluster, program, victims, tenant_of_session):
    """Removes everything that a test created. Replaces a stopped controller, so that each attack is tested by itself."""
    if not program.runs:
        program.start()
    yield tenant_of_session
    clear(cluster.admin, "hostile")
    if getattr(request.node, "failed", False) or not program.runs:
        program.kill()
        program.start()
        victims.recover()


def clear(admin, namespace):
    for path in (object_path(namespace), secret_path(namespace)):
        selector = "" if "wrappedsecrets" in path else "?fieldSelector=type%3DOpaque"
        admin.expect({200}, "DELETE", path + selector)
    for path in (object_path(namespace, "held"), secret_path(namespace, "held-secret")):
        admin.expect({200, 404}, "PATCH", path, {"metadata": {"finalizers": None}}, kind=MERGE)


@contextlib.contextmanager
def repeated(attack, tenant):
    """Repeats the attack while the block runs. The first attack is complete when the block begins."""
    attack(tenant)
    stopped, failures = threading.Event(), []

    def loop():
        while not stopped.wait(0.2):
            try:
                attack(tenant)
            except Exception as failure:  # noqa: BLE001 - reported below
                failures.append(failure)
                return

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(60)
    assert not failures, failures
