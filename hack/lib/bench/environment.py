"""The cluster, the KMS and the controller that the scenarios measure."""

import base64
import os
import pathlib
import subprocess
import sys

import hvac
import yaml
from kubernetes_api import API, object_path, secret_path

import objects
from controller import AuditLog, Controller
from cpu import Phase, server_pid

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMESPACE = "bench"
# The default of --kms-namespace-burst.
NAMESPACE_BURST = 20_000


def log(text):
    print(f"   {text}", file=sys.stderr, flush=True)


class Environment:
    def __init__(self, options):
        self.options = options
        kubeconfig = yaml.safe_load((options.cluster / "admin.kubeconfig").read_text())
        self.server = kubeconfig["clusters"][0]["cluster"]["server"]
        self.api = API(self.server, options.cluster / "pki")
        self.vault = hvac.Client(os.environ["BAO_ADDR"], token=os.environ["BAO_TOKEN"], verify=os.environ["BAO_CACERT"])
        self.transit = self.vault.secrets.transit
        self.vault_keys = objects.TransitKeys(self.transit)
        self.master = os.urandom(32)
        self.local_keys = objects.LocalKeys(self.master)
        self.count = 0
        # The number of objects in NAMESPACE that are in sync.
        self.synced = 0
        self.namespace(NAMESPACE)
        command = [ROOT / "hack/cluster", "kubeconfig-for", "secrets-bridge", "secrets-bridge", options.folder / "kubeconfig", "--dir", options.cluster]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (options.folder / "vault-token").write_text(self.token("secrets-bridge", "secrets-bridge", "--audience=vault"))

    # Servers

    def pids(self, controller=None):
        """Returns the pids of the processes whose CPU time is reported."""
        pids = {name: server_pid(self.options.cluster, name) for name in ("apiserver", "etcd")}
        pids["openbao"] = server_pid(self.options.openbao, "bao")
        if (self.options.cluster / "crd-server.pid").exists():
            pids["crdserver"] = server_pid(self.options.cluster, "crd-server")
        return {"controller": controller.process.pid, **pids} if controller else pids

    def phase(self, controller=None):
        return Phase(self.pids(controller))

    def token(self, namespace, account, *arguments):
        command = [os.environ["KUBECTL"], "--kubeconfig", self.options.cluster / "admin.kubeconfig", "-n", namespace,
                   "create", "token", account, "--duration=24h", *arguments]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def namespace(self, name, labels=None):
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}
        self.api.expect({201, 409}, "POST", "/api/v1/namespaces", manifest)

    def clear(self, namespace):
        """Deletes the WrappedSecrets and Secrets of a namespace."""
        for path in (object_path(namespace), secret_path(namespace) + "?labelSelector=secrets-bridge.io/managed=true"):
            self.api.expect({200}, "DELETE", path, timeout=300)

    # The controller

    def start(self, *arguments, namespaces=(NAMESPACE,), limit=None, kms="vault-transit"):
        """Starts a controller for these namespaces, or for all if there are none. The audit logs begin here."""
        self.api_log = AuditLog(self.options.cluster / "audit.log")
        self.kms_log = AuditLog(self.options.openbao / "audit.log")
        watched = [argument for namespace in namespaces for argument in ("--watch-namespace", namespace)]
        # All objects are in one namespace, whose budget of unwraps would otherwise be measured: 50 a second after the first 20,000.
        budget = ["--kms-namespace-burst", str(self.options.objects)] if self.options.objects > NAMESPACE_BURST else []
        return Controller(
            [self.options.binary, "controller", "--kubeconfig", self.options.folder / "kubeconfig", "--no-leader-elect",
             "--metrics-address", "127.0.0.1:0", "--log-format", "json", *watched, *budget, *arguments],
            {"SB_KMS_BACKEND": kms, **self.settings(kms)}, self.options.folder / "controller.log", limit,
        )  # fmt: skip

    def settings(self, kms):
        """Returns the environment of a backend."""
        if kms == "local":
            return {"SB_ENV": "dev", "SB_WRAP_MASTER_KEY": base64.b64encode(self.master).decode()}
        return {
            "SB_KMS_VAULT_ADDR": os.environ["BAO_ADDR"], "SB_KMS_VAULT_KEY": "sb-wrap", "SB_KMS_VAULT_CACERT": os.environ["BAO_CACERT"],
            "SB_KMS_VAULT_AUTH": "kubernetes", "SB_KMS_VAULT_ROLE": "secrets-bridge",
            "SB_KMS_VAULT_SA_TOKEN_FILE": str(self.options.folder / "vault-token"),
        }  # fmt: skip

    def kms_requests(self, path="transit/decrypt/sb-wrap"):
        return sum(one["type"] == "request" and one["request"]["path"] == path for one in self.kms_log.entries())

    def unwraps(self):
        """Returns the number of requests to unwrap, without that of the controller's self test."""
        return max(self.kms_requests() - 1, 0)

    # Objects

    def names(self, count):
        return [f"db-{index}" for index in range(count)]

    def create(self, namespace, names, value=lambda name: f"value of {name}", keys=None, **fields):
        """Creates WrappedSecrets while no controller runs. `keys` wraps the data keys; the default is OpenBao."""
        places = [(namespace, name) for name in names]
        objects.apply(self.api, objects.wrap(keys or self.vault_keys, places, value, **fields))

    def fill(self, count):
        """Creates the objects of the main namespace up to `count`; returns the number of new ones."""
        new = self.names(count)[self.count :]
        self.create(NAMESPACE, new)
        self.count += len(new)
        return len(new)

    def in_sync(self, count):
        """Makes sure that `count` objects of the main namespace are in sync. Nothing is measured."""
        self.fill(count)
        if self.synced < self.count:
            controller = self.start()
            controller.until_synced(self.count)
            controller.stop()
            self.synced = self.count

    def sizes(self):
        """Returns the numbers of objects to measure with: a small one first, to show what grows with the number."""
        return sorted({min(1000, self.options.objects), self.options.objects})


def size_mib(path):
    return pathlib.Path(path).stat().st_size / 2**20
