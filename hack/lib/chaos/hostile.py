"""A tenant of a namespace of its own that attacks the controller as long as the run goes."""

import collections
import random
import threading

import attacks
import service_account
from kubernetes_api import object_path, secret_path

NAMESPACE = "chaos-hostile"
# Names without the objects, which may nest deeper than Python decodes.
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


class HostileTenant(threading.Thread):
    """Its objects are not compared with anything. It must not disturb those that are."""

    def __init__(self, admin, kms, make, seed, pause=0.5):
        """`make(kms, namespace, name, values)`: as of Person."""
        super().__init__(daemon=True)
        client = service_account.create(admin, NAMESPACE, "tenant")
        self.tenant = attacks.Tenant(client, NAMESPACE, lambda *of_secret: make(kms, *of_secret), patience=20)
        self.random = random.Random(seed)
        self.pause = pause
        self.done = collections.Counter()
        self.failures = collections.Counter()
        self.stopped = threading.Event()

    def run(self):
        remaining = self.random.sample(attacks.ALL, len(attacks.ALL))
        while not self.stopped.wait(self.random.random() * 2 * self.pause):
            attack = remaining.pop() if remaining else self.random.choice([*attacks.ALL, *[self.delete] * 5])
            try:
                attack(self.tenant)
                self.done[attack.__name__] += 1
            except Exception as failure:  # noqa: BLE001 - both servers restart, and proxies do not care for it
                self.failures[f"{attack.__name__}: {type(failure).__name__}"] += 1

    def delete(self, tenant):
        """One of its objects, so that later attacks create it again."""
        path = self.random.choice([object_path, secret_path])
        listed = tenant.api.session().get(f"{tenant.api.server}{path(NAMESPACE)}", headers={"Accept": TABLE}, params={"includeObject": "None"}, timeout=30)
        names = [row["cells"][0] for row in listed.json().get("rows", [])]
        if names:
            tenant.send("DELETE", path(NAMESPACE, self.random.choice(names)), also={404})

    def problems(self):
        """Why the run shows nothing about attacks."""
        if self.is_alive():
            return ["the hostile tenant does not stop"]
        missing = [attack.__name__ for attack in attacks.ALL if not self.done[attack.__name__]]
        if len(missing) > len(attacks.ALL) // 2:
            return [f"the hostile tenant could not do {', '.join(missing)}: {dict(self.failures)}"]
        return []

