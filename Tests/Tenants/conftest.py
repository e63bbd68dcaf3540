"""A control plane, and victims in a namespace of their own."""

import base64
import os
import pathlib
import shutil
import tempfile

import pytest

from cluster import Cluster

import wrapped_secret  # noqa: I001 - cluster sets the path
from victims import Victims

SETTINGS = {"SB_KMS_BACKEND": "local", "SB_ENV": "dev", "SB_WRAP_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}
os.environ["SB_WRAP_MASTER_KEY"] = SETTINGS["SB_WRAP_MASTER_KEY"]
KMS = wrapped_secret.Local()


def wrap(namespace, name, values):
    return wrapped_secret.make_wrapped(KMS, namespace, name, values)


@pytest.fixture(scope="session")
def cluster():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sb-tenants-"))
    (folder / "cluster").mkdir()
    found = Cluster(folder / "cluster")
    try:
        yield found
    finally:
        found.down()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def victims(cluster):
    return Victims(cluster.client("victim", "victim"), "victim", wrap)
