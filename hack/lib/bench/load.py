"""The reference: a load generator (h2load) that makes the API server and etcd do the same writes as a fresh sync."""

import json
import re
import subprocess
import sys
import time

from kubernetes_api import MERGE, object_path, secret_path

from cpu import Phase, seconds
from environment import NAMESPACE

LOAD = "load"
MANAGED = "secrets-bridge.io/managed"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Reference:
    """Creates Secrets and patches statuses of the size that the controller writes, with 100 requests in flight over one
    connection, while the same two watches are open as the controller has."""

    def __init__(self, environment, count):
        self.environment = environment
        self.count = count
        self.api = environment.api
        self.generator_cpu = 0.0
        environment.namespace(LOAD)
        self.authorize()
        found = self.api.expect({200}, "GET", object_path(NAMESPACE, "db-0"))[1]
        # The WrappedSecrets of the load are copies without a status, in a namespace that no controller watches.
        self.status = found.pop("status", {})
        if not self.api.list(object_path(LOAD) + "?limit=1"):
            for name in environment.names(count):
                self.api.expect({201}, "POST", object_path(LOAD), {**found, "metadata": {"name": name, "namespace": LOAD}})

    def secret(self):
        """Returns the Secret that the controller wrote, for the load's namespace. Without owner: the garbage collector would
        delete it, because its owner is in another namespace."""
        found = self.api.expect({200}, "GET", secret_path(NAMESPACE, "db-0"))[1]
        metadata = {key: found["metadata"][key] for key in ("labels", "annotations") if key in found["metadata"]}
        return {"apiVersion": "v1", "kind": "Secret", "type": found["type"], "data": found["data"],
                "metadata": {"generateName": "load-", **metadata}}  # fmt: skip

    def run(self):
        """Returns the rate, and the CPU time for each object in milliseconds."""
        names = self.environment.names(self.count)
        status = {"status": {**self.status, "lastHandledSync": f"{time.time()}"}}
        watches = [self.watch(object_path(LOAD), "application/json"), self.watch(secret_path(LOAD), METADATA, f"&labelSelector={MANAGED}=true")]
        time.sleep(0.5)
        self.generator_cpu = 0.0
        pids = {"watches": watches[0].pid, "watches of Secrets": watches[1].pid, **self.environment.pids()}
        with Phase(pids) as phase:
            elapsed = self.load("POST", [secret_path(LOAD)], self.secret(), "application/json")
            elapsed += self.load("PATCH", [object_path(LOAD, name) + "/status" for name in names], status, MERGE)
        for watch in watches:
            watch.terminate()
            watch.wait()
        self.api.expect({200}, "DELETE", secret_path(LOAD) + f"?labelSelector={MANAGED}=true")
        cpu = phase.per(self.count)
        readers = cpu.pop("watches") + cpu.pop("watches of Secrets")
        cpu.pop("openbao")
        return {"rate": round(self.count / elapsed, 1), "cpu_ms": {"generator": round(self.generator_cpu * 1000 / self.count + readers, 4), **cpu}}

    def watch(self, path, accept, query=""):
        pki = self.environment.options.cluster / "pki"
        return subprocess.Popen(
            ["curl", "-sSN", "--http2", "--cacert", pki / "ca.crt", "--cert", pki / "admin.crt", "--key", pki / "admin.key",
             "-H", f"Accept: {accept}", f"{self.environment.server}{path}?watch=true&allowWatchBookmarks=true{query}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def load(self, method, paths, body, kind):
        """Sends the requests; returns the seconds."""
        folder = self.environment.options.folder
        (folder / "body.json").write_text(json.dumps(body))
        (folder / "uris").write_text("\n".join(self.environment.server + path for path in paths) + "\n")
        before = seconds("self")
        done = subprocess.run(
            ["h2load", "-n", str(self.count), "-c", "1", "-m", "100", "-d", folder / "body.json", "-i", folder / "uris",
             "-H", f":method: {method}", "-H", f"Content-Type: {kind}", "-H", f"Authorization: Bearer {self.token}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        # The ended child counts as time of this process.
        self.generator_cpu += seconds("self") - before
        # Names that the server generates may collide.
        if int(re.search(r"status codes: (\d+) 2xx", done).group(1)) < self.count * 0.99:
            sys.exit(f"error: h2load: {done}")
        found = re.search(r"finished in ([0-9.]+)(ms|s)", done)
        return float(found.group(1)) / (1000 if found.group(2) == "ms" else 1)

    def authorize(self):
        """Gives the service account of the load all rights."""
        group = "rbac.authorization.k8s.io"
        binding = {"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "bench-load"},
                   "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
                   "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": LOAD}]}  # fmt: skip
        self.api.expect({201, 409}, "POST", f"/apis/{group}/v1/clusterrolebindings", binding)
        for _ in range(100):
            if self.api.call("GET", f"/api/v1/namespaces/{LOAD}/serviceaccounts/default")[0] == 200:
                break
            time.sleep(0.1)
        self.token = self.environment.token(LOAD, "default")


def mean(first, second):
    """Returns the mean of the reference before and after a measurement."""
    return {
        "rate": (first["rate"] + second["rate"]) / 2,
        "cpu_ms": {name: (value + second["cpu_ms"][name]) / 2 for name, value in first["cpu_ms"].items()},
    }
