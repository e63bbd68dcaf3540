"""Reads and writes WrappedSecrets and Secrets on a real API server."""

import base64

from chart import BINARY, run
from conftest import eventually


class Namespace:
    def __init__(self, cluster, name, settings):
        self.cluster, self.name, self.settings = cluster, name, settings
        cluster.kubectl("create", "namespace", name)

    def kubectl(self, *arguments, **more):
        return self.cluster.kubectl("-n", self.name, *arguments, **more)

    def wrap(self, name, *options, **values):
        literals = [f"--from-literal={key}={value}" for key, value in values.items()]
        return run(BINARY, "wrap", "-n", self.name, "--name", name, *literals, *options, env=self.settings).stdout

    def apply(self, wrapped):
        self.kubectl("apply", "--validate=false", "-f", "-", given=wrapped)

    def get(self, kind, name):
        return self.cluster.find(kind, name, self.name)

    def events(self):
        return self.cluster.api.list(f"/api/v1/namespaces/{self.name}/events")

    def status(self, name):
        found = self.get("wrappedsecret", name) or {}
        status = found.get("status", {})
        if status.get("observedGeneration") != found.get("metadata", {}).get("generation"):
            return None
        return {condition["type"]: (condition["status"], condition["reason"]) for condition in status.get("conditions", [])}

    def until(self, name, reason):
        eventually(f"{name} is {reason}", lambda: (self.status(name) or {}).get("Ready", ("", ""))[1] == reason)

    def values(self, name):
        secret = self.get("secret", name)
        return secret and {key: base64.b64decode(text).decode() for key, text in secret.get("data", {}).items()}

    def until_values(self, name, **values):
        eventually(f"the Secret {name} has {values}", lambda: self.values(name) == values)
