"""WrappedSecrets of another namespace, whose users expect every change in its Secret within a second."""

import base64
import time

from kubernetes_api import APPLY, MERGE, object_path, secret_path

COUNT = 6
PROMISED = 1.0
ON_A_BUSY_MACHINE = 5.0
INTERVAL = 0.02


class Victims:
    def __init__(self, api, namespace, wrap):
        """Creates them, whether or not a controller runs."""
        self.api, self.namespace, self.wrap = api, namespace, wrap
        self.names = [f"db-{number}" for number in range(COUNT)]
        self.values = {}
        for name in self.names:
            self.write(name)

    def write(self, name):
        self.values[name] = f"value-{time.monotonic_ns()}"
        manifest = self.wrap(self.namespace, name, {"password": self.values[name]})
        self.api.expect({200, 201}, "PATCH", object_path(self.namespace, name) + "?fieldManager=gitops&force=true", manifest, kind=APPLY)

    def change(self, name):
        """Applies a new version and returns the seconds until the Secret has it."""
        self.write(name)
        return self.arrival(name)

    def drift(self, name):
        """Changes the Secret by hand and returns the seconds until the change is reverted."""
        body = {"data": {"password": base64.b64encode(b"drift").decode()}}
        self.api.expect({200}, "PATCH", secret_path(self.namespace, name), body, kind=MERGE)
        return self.arrival(name)

    def arrival(self, name):
        wanted = base64.b64encode(self.values[name].encode()).decode()
        began = time.monotonic()
        while True:
            status, secret = self.api.call("GET", secret_path(self.namespace, name))
            took = time.monotonic() - began
            if status == 200 and secret.get("data", {}).get("password") == wanted:
                return took
            assert took < ON_A_BUSY_MACHINE, f"Secret {name} of the victim does not have the new value within {ON_A_BUSY_MACHINE} s"
            time.sleep(INTERVAL)

    def check(self, when):
        """Tests three changes and three drifts: the best of each within a second, all within five."""
        changed, reverted = [], []
        for name in self.names[:3]:
            changed.append(self.change(name))
            reverted.append(self.drift(name))
        shown = [" ".join(f"{took * 1000:.0f}" for took in times) for times in (changed, reverted)]
        print(f"   {when}: changes arrive after {shown[0]} ms, drift is reverted after {shown[1]} ms")
        assert min(changed) < PROMISED, f"{when}: a change of the victim arrives after {min(changed):.2f} s at best"
        assert min(reverted) < PROMISED, f"{when}: drift of the victim is reverted after {min(reverted):.2f} s at best"
