"""A separate control plane with an audit log of the controller's requests, which enforces permissions of owner references as
OpenShift does, and an OpenBao."""

import functools
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from chart import BINARY, ENTER, KUBECTL, NAMESPACE, ROOT, helm, program_version, run

sys.path.insert(1, str(ROOT / "hack/lib"))

from kubernetes_api import API  # noqa: E402

RESOURCES = {
    "/api/v1": ["configmaps", "namespaces", "pods", "secrets", "serviceaccounts", "services"],
    "/apis/apiextensions.k8s.io/v1": ["customresourcedefinitions"],
    "/apis/apps/v1": ["daemonsets", "deployments", "statefulsets"],
    "/apis/networking.k8s.io/v1": ["networkpolicies"],
    "/apis/policy/v1": ["poddisruptionbudgets"],
    "/apis/rbac.authorization.k8s.io/v1": ["clusterrolebindings", "clusterroles", "rolebindings", "roles"],
    "/apis/secrets-bridge.io/v1alpha1": ["clusterkeyproviders", "keyproviders", "wrappedsecrets"],
}
PLURALS = {"crd": "customresourcedefinitions", "networkpolicy": "networkpolicies"}


def eventually(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


@dataclass
class Cluster:
    folder: Path
    kubeconfig: Path = field(init=False)

    def __post_init__(self):
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.api = API("https://{}:{}".format(*self.address), self.folder / "pki")
        _, version = self.api.expect({200}, "GET", "/version")
        self.minor = int(re.match(r"\d+", version["minor"]).group())

    def kubectl(self, *arguments, **more):
        return run(KUBECTL, *arguments, kubeconfig=self.kubeconfig, **more)

    def find(self, kind, name, namespace=""):
        """Returns the object, or None if it does not exist. One request, because tests poll: kubectl computes 0.1 s for each."""
        resource = PLURALS.get(kind.lower(), f"{kind.lower()}s")
        (group,) = (group for group, resources in RESOURCES.items() if resource in resources)
        place = f"/namespaces/{namespace}" if namespace else ""
        status, found = self.api.call("GET", f"{group}{place}/{resource}/{name}", patience=10)
        assert status == 200 or found["reason"] == "NotFound", found
        return found if status == 200 else None

    def get(self, kind, name, namespace=""):
        found = self.find(kind, name, namespace)
        assert found, f"{kind} {name} does not exist"
        return found

    def exists(self, kind, name, namespace=""):
        return self.find(kind, name, namespace) is not None

    def list(self, *arguments):
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)["items"]

    @property
    def address(self):
        server = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        return re.match(r"https://([^:]+):(\d+)", server).groups()

    @property
    def authority(self):
        return self.folder / "pki/ca.crt"

    def audit_lines(self):
        log = self.folder / "audit.log"
        return log.read_text().splitlines() if log.exists() else []

    def requests(self, before=()):
        """Returns the requests of the controller's service account since the last call: verb, group, resource, namespace."""
        found = set()
        for line in self.audit_lines()[len(before):]:
            event = json.loads(line)
            what = event.get("objectRef")
            if what and "resource" in what:
                resource = "/".join([what["resource"], *([what["subresource"]] if "subresource" in what else [])])
                assert event["annotations"]["authorization.k8s.io/decision"] == "allow", f"refused: {event}"
                found.add((event["verb"], what.get("apiGroup", ""), resource, what.get("namespace", "")))
        return found


@pytest.fixture(scope="session")
def scratch():
    folder = Path(tempfile.mkdtemp(prefix="sb-chart-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cluster(scratch):
    folder = scratch / "cluster"
    run(ROOT / "hack/cluster", "up", "--dir", folder, "--no-kind",
        "--apiserver-flag", "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--apiserver-flag", f"--audit-policy-file={ROOT / 'Tests/Chart/audit-policy.yaml'}",
        "--apiserver-flag", f"--audit-log-path={folder / 'audit.log'}", env=dict(os.environ))
    try:
        found = Cluster(folder)
        found.kubectl("create", "namespace", NAMESPACE)
        yield found
    finally:
        run(ROOT / "hack/cluster", "down", "--dir", folder, env=dict(os.environ))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.has_failed = getattr(item, "has_failed", False) or report.failed
    return report


@pytest.fixture(autouse=True)
def removed_after_a_failure(request):
    """Removes the release that a failed test leaves, because the next ones could not install theirs."""
    yield
    if request.node.has_failed and "cluster" in request.fixturenames:
        cluster = request.getfixturevalue("cluster")
        helm("4", "uninstall", "secrets-bridge", "-n", NAMESPACE, "--ignore-not-found", kubeconfig=cluster.kubeconfig, check=False)


@dataclass
class Vault:
    """Starts a real OpenBao, set up with the commands of docs/vault.md."""

    folder: Path

    def __post_init__(self):
        environment = (self.folder / "env").read_text()
        self.address = re.search(r"BAO_ADDR=(\S+)", environment).group(1)
        self.authority = self.folder / "ca.crt"

    @functools.cached_property
    def developer(self):
        token = run(ROOT / "hack/openbao", "token", "developer", "--dir", self.folder, env=dict(os.environ)).stdout.strip()
        return {"SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": self.address, "SB_KMS_VAULT_CACERT": str(self.authority),
                "SB_KMS_VAULT_KEY": "sb-wrap", "SB_KMS_VAULT_TOKEN": token}


    def decrypted(self):
        """Returns the number of requests that used the key."""
        lines = (json.loads(line) for line in (self.folder / "audit.log").read_text().splitlines())
        return sum(line["type"] == "request" and line["request"]["path"] == "transit/decrypt/sb-wrap" for line in lines)


@pytest.fixture(scope="session")
def vault(cluster, scratch):
    folder = scratch / "openbao"
    run(ROOT / "hack/openbao", "up", "--cluster", cluster.folder, "--dir", folder, env=dict(os.environ))
    try:
        found = Vault(folder)
        cluster.kubectl("-n", NAMESPACE, "create", "configmap", "vault-ca", f"--from-file=ca.crt={found.authority}")
        yield found
    finally:
        run(ROOT / "hack/openbao", "down", "--dir", folder, env=dict(os.environ))


def unpack(archive, folder):
    """Unpacks the image of an OCI archive and checks every digest."""
    with tarfile.open(archive) as layout:
        def blob(descriptor):
            data = layout.extractfile(f"blobs/{descriptor['digest'].replace(':', '/')}").read()
            assert hashlib.sha256(data).hexdigest() == descriptor["digest"].removeprefix("sha256:") and len(data) == descriptor["size"]
            return data

        (image,) = json.load(layout.extractfile("index.json"))["manifests"]
        manifest = json.loads(blob(image))
        about = json.loads(blob(manifest["config"]))
        assert about["config"]["User"] == "65532:65532" and about["config"]["Entrypoint"] == ["/usr/bin/secrets-bridge"]
        assert about["config"]["Env"] == ["SWIFT_BACKTRACE=enable=no"]
        (layer,) = manifest["layers"]
        data = gzip.decompress(blob(layer))
        assert about["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data).hexdigest()}"]
        with tarfile.open(fileobj=io.BytesIO(data)) as files:
            assert all(entry.uid == entry.gid == 0 and not entry.mode & 0o6022 for entry in files), "what is not root's, or others may write"
            files.extractall(folder, filter="tar")


@pytest.fixture(scope="session")
def image_root(scratch):
    """The file system of the image $SB_TEST_IMAGE (an archive of hack/image), else that of an image with the build under test."""
    folder = scratch / "image"
    if archive := os.environ.get("SB_TEST_IMAGE"):
        unpack(archive, folder)
    else:
        run(ROOT / "hack/image", "--root", folder, "--binary", BINARY)
    trial = subprocess.run(
        [sys.executable, ENTER, folder, "65532", "65532", "--", "/usr/bin/secrets-bridge", "version"], capture_output=True, text=True, check=False)
    if "user namespaces for everybody" in trial.stderr:
        pytest.skip(trial.stderr.strip())
    assert trial.returncode == 0 and trial.stdout == f"secrets-bridge {program_version()}\n", trial.stderr
    return folder
