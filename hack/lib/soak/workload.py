"""The objects of a soak by size, and the writers that change them."""

import math
import time

import comparison
from edits import CANARY, Editor
from kubernetes_api import APPLY, object_path

KIB = 1024
# The share of the objects, and the least and the most bytes of all their values.
SIZES = [(0.80, 64, KIB), (0.15, KIB, 16 * KIB), (0.04, 16 * KIB, 64 * KIB), (0.01, 64 * KIB, 256 * KIB)]
ENTRIES = ["password", "user", "url", "certificate"]
WORKLOADS = 10


class SizedEditor(Editor):
    """Writes values of mixed sizes. An object keeps its range of sizes, so that the total stays nearly the same."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        shares = [share for share, _, _ in SIZES]
        # A file that several editors append lines to.
        self.journal = None
        self.ranges = {place: self.random.choices(SIZES, shares)[0][1:] for place in self.specs}

    def perform(self, edit, place):
        """Notes the edit, so that the history of an object explains a finding."""
        if self.journal:
            self.journal.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {'/'.join(place)} {edit.__name__}\n")
        super().perform(edit, place)

    def size(self, place):
        least, most = self.ranges[place]
        return int(math.exp(self.random.uniform(math.log(least), math.log(most))))

    def values(self, place):
        entries = self.random.sample(ENTRIES, self.random.randint(1, len(ENTRIES)))
        return {entry: self.value(entry, self.size(place) // len(entries)) for entry in entries}

    def value(self, entry, size):
        start = f"{CANARY}{entry}-{self.round}-{self.random.getrandbits(64):x}"
        return start + self.random.randbytes(max(0, size - len(start)) // 2).hex()


class RestartEditor(SizedEditor):
    """Names a Deployment that is restarted with each change of the values."""

    def wrap(self, place):
        return {**super().wrap(place), "rolloutRestart": [{"kind": "Deployment", "name": workload_name(place)}]}

    def differences(self):
        """Yields a line for each restart that is missing. The Secrets are compared elsewhere."""
        for namespace in sorted({namespace for namespace, _ in self.specs}):
            items = {item["metadata"]["name"]: item for item in self.api.list(object_path(namespace))}
            deployments = {item["metadata"]["name"]: item for item in self.api.list(deployment_path(namespace))}
            for place, spec in self.specs.items():
                item = items.get(place[1])
                if place[0] == namespace and spec and item:
                    for text in compare_restart(item, deployments[workload_name(place)]):
                        yield f"{namespace}/{place[1]}: {text}"


def compare_restart(item, deployment):
    """Yields what a restart has not reached. The first sync of a WrappedSecret restarts nothing and sets no condition."""
    mac = item["spec"]["mac"]
    restarted = comparison.condition(item, "RolloutRestarted")
    if item.get("status", {}).get("rolloutRestart", {}).get("mac") != mac:
        yield "status.rolloutRestart is not of the current values"
    elif restarted and restarted["status"] != "True":
        yield f"a restart is due: {restarted['reason']}: {restarted['message']}"
    elif restarted:
        annotations = deployment["spec"]["template"]["metadata"].get("annotations", {})
        if not any(name.startswith("secrets-bridge.io/restarted-") and value.startswith(mac) for name, value in annotations.items()):
            yield "the Deployment was not restarted for the current values"


def workload_name(place):
    return f"web-{int(place[1].rsplit('-', 1)[1]) % WORKLOADS}"


def deployment_path(namespace, name=""):
    return f"/apis/apps/v1/namespaces/{namespace}/deployments" + (f"/{name}" if name else "")


def create_workloads(api, namespace):
    """Creates the Deployments, which have no pods."""
    for index in range(WORKLOADS):
        name = f"web-{index}"
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example.org/web"}]}}
        manifest = {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "annotations": {"secrets-bridge.io/allow-restart": "*"}},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }  # fmt: skip
        api.expect({200, 201}, "PATCH", deployment_path(namespace, name) + "?fieldManager=soak&force=true", manifest, kind=APPLY)
