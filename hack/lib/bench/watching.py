"""A watch of Secrets that notes when each value appeared."""

import base64
import json
import subprocess
import sys
import threading
import time

from envelope_v1 import envelope
from kubernetes_api import MERGE, secret_path


class SecretWatch:
    def __init__(self, env, namespace):
        self.seen = {}
        self.changed = threading.Condition()
        version = env.api.expect({200}, "GET", secret_path(namespace) + "?limit=1")[1]["metadata"]["resourceVersion"]
        pki = env.options.cluster / "pki"
        # By curl, which ends at once when it is terminated. A blocked read of Python's client cannot be ended by another thread.
        self.curl = subprocess.Popen(
            ["curl", "-sSN", "--cacert", pki / "ca.crt", "--cert", pki / "admin.crt", "--key", pki / "admin.key",
             f"{env.server}{secret_path(namespace)}?watch=true&resourceVersion={version}&timeoutSeconds=3600"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.curl.stdout:
            item = json.loads(line)["object"]
            value = base64.b64decode(item.get("data", {}).get("password", "")).decode()
            with self.changed:
                self.seen[item["metadata"]["name"], value] = time.monotonic()
                self.changed.notify()

    def until(self, name, value):
        """Waits for the value; returns when it appeared, by the monotonic clock."""
        with self.changed:
            if not self.changed.wait_for(lambda: (name, value) in self.seen, timeout=120):
                sys.exit(f"error: {name} did not change within 120 s")
            return self.seen[name, value]

    def close(self):
        self.curl.terminate()
        self.curl.wait()


def plain_change(env, manifest):
    """Returns the minimum in milliseconds: one request to the KMS and one patch of the Secret, by Python clients."""
    place, recipient = manifest["metadata"], manifest["spec"]["recipients"][0]
    context = envelope.b64(envelope.binding("strict", place["namespace"], place["name"]))
    began = time.monotonic()
    env.transit.decrypt_data("sb-wrap", ciphertext=recipient["wrappedKey"], context=context)
    patch = {"metadata": {"annotations": {"example.org/bench": f"{began}"}}}
    env.api.expect({200}, "PATCH", secret_path(place["namespace"], place["name"]), patch, kind=MERGE)
    return (time.monotonic() - began) * 1000
