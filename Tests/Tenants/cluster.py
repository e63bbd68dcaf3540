"""Starts a separate control plane with the controller's manifests, and creates identities."""

import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "hack/lib"), str(ROOT / "Tests/Clients")]

from kubernetes_api import API, create_service_account  # noqa: E402

BINARY = os.environ["SB_TEST_BINARY"]
KUBECTL = os.environ["SB_TEST_KUBECTL"]
SCRIPT = os.environ.get("SB_TEST_CLUSTER_SCRIPT", str(ROOT / "hack/cluster"))
HOME = tempfile.mkdtemp(prefix="sb-tenants-home-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
ENVIRONMENT = {"PATH": os.environ["PATH"], "GOGC": os.environ.get("GOGC", "100"), "HOME": HOME}

def run(*command, env=None, check=True, given=None, timeout=300):
    done = subprocess.run([str(word) for word in command], env={**ENVIRONMENT, **(env or {})}, input=given,
                          capture_output=True, text=True, timeout=timeout, check=False)  # fmt: skip
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def eventually(what, condition, seconds, interval=0.05):
    """Waits for `condition`; returns its result and the elapsed seconds."""
    began = time.monotonic()
    while True:
        found = condition()
        took = time.monotonic() - began
        if found:
            return found, took
        assert took < seconds, f"{what}: not within {seconds} s"
        time.sleep(interval)


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.script("up", "--crds", "--no-kind")
        self.kubeconfig = folder / "admin.kubeconfig"
        self.server = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        self.admin = API(self.server, folder / "pki")
        self.kubectl("apply", "-f", ROOT / "manifests/base/namespace.yaml", "-f", ROOT / "manifests/base/rbac.yaml")
        self.controller_kubeconfig = self.kubeconfig_for("secrets-bridge", "secrets-bridge")

    def script(self, *arguments):
        return run(SCRIPT, *arguments, "--dir", self.folder, env=dict(os.environ)).stdout

    def kubectl(self, *arguments, **more):
        return run(KUBECTL, "--kubeconfig", self.kubeconfig, *arguments, **more).stdout

    def kubeconfig_for(self, namespace, account):
        return pathlib.Path(self.script("kubeconfig-for", namespace, account).strip())

    def client(self, namespace, account):
        """Returns a client with the rights of a new service account; creates its namespace if it is missing."""
        return create_service_account(self.admin, namespace, account)

    def down(self):
        self.script("down")
