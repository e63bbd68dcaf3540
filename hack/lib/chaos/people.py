"""Those who change things all the while: developers who wrap, GitOps engines, and whoever edits Secrets by hand."""

import collections
import random
import threading
import time

from kubernetes_api import APPLY, MERGE, GivenUp, object_path, secret_path

CANARY = "canary-"


class Person(threading.Thread):
    """Has some of the objects to itself, so that the last thing it did to one is what counts."""

    def __init__(self, api, kms, make, places, seed, pause):
        """`make(kms, namespace, name, values)`: wraps for the Secret of that name. `places`: namespace and name of each
        object."""
        super().__init__(daemon=True)
        self.api = api
        self.kms = kms
        self.make = make
        self.random = random.Random(seed)
        self.pause = pause
        self.specs = {place: None for place in places}
        self.done = collections.Counter()
        self.round = 0
        self.failure = None
        self.stopped = threading.Event()

    def run(self):
        try:
            for place in self.specs:
                if self.stopped.is_set():
                    return
                self.write(place)
            while not self.stopped.wait(self.random.random() * 2 * self.pause):
                self.act(self.random.choice(list(self.specs)))
        except Exception as error:  # noqa: BLE001 - the run reports it
            self.failure = error

    def act(self, place):
        if self.specs[place] is None:
            self.write(place)
            return
        acts = [self.write] * 6 + [self.rename] + [self.label] * 3 + [self.delete] + [self.sync]
        acts += [self.edit] * 2 + [self.delete_secret] + [self.strip]
        self.random.choice(acts)(place)

    def write(self, place):
        """New values under a new data key."""
        namespace, name = place
        self.round += 1
        before = self.specs[place]
        template = dict(before["template"]) if before else {"metadata": {"name": name}}
        entries = self.random.sample(["password", "user", "url", "empty"], self.random.randint(1, 4))
        values = {
            entry: "" if entry == "empty" else f"{CANARY}{entry}-{self.round}-{self.random.getrandbits(64):x}"
            for entry in entries
        }
        spec = self.patiently(lambda: self.make(self.kms, namespace, template["metadata"]["name"], values))["spec"]
        self.apply(place, {**spec, "template": template})
        self.done["values changed" if before else "created"] += 1

    def rename(self, place):
        _, name = place
        metadata = dict(self.specs[place]["template"]["metadata"])
        metadata["name"] = f"{name}-renamed" if metadata["name"] == name else name
        self.specs[place] = {**self.specs[place], "template": {"metadata": metadata}}
        self.write(place)
        self.done["renamed"] += 1

    def label(self, place):
        """A new template over the same values."""
        metadata = dict(self.specs[place]["template"]["metadata"])
        field = self.random.choice(["labels", "annotations"])
        metadata[field] = {f"example.org/{self.random.choice('abc')}": f"v{self.random.randint(0, 99)}"}
        self.apply(place, {**self.specs[place], "template": {"metadata": metadata}})
        self.done["template changed"] += 1

    def delete(self, place):
        self.api.expect({200, 202, 404}, "DELETE", object_path(*place))
        self.specs[place] = None
        self.done["deleted"] += 1
        # Mostly it stays away for a while; an apply right after it is the harder case.
        if self.random.random() < 0.4:
            self.write(place)

    def sync(self, place):
        annotations = {"secrets-bridge.io/sync": f"{self.random.getrandbits(32):x}"}
        self.api.expect({200}, "PATCH", object_path(*place), {"metadata": {"annotations": annotations}}, kind=MERGE)
        self.done["sync asked for"] += 1

    def edit(self, place):
        self.touch(place, {"data": {"password": "dGFtcGVyZWQ=", "foreign": "eA=="}}, "Secret edited")

    def strip(self, place):
        self.touch(place, {"metadata": {"labels": {"secrets-bridge.io/managed": None}}}, "Secret's label taken off")

    def touch(self, place, patch, what):
        self.api.expect({200, 404}, "PATCH", self.secret(place), patch, kind=MERGE)
        self.done[what] += 1

    def delete_secret(self, place):
        self.api.expect({200, 404}, "DELETE", self.secret(place))
        self.done["Secret deleted"] += 1

    def secret(self, place):
        return secret_path(place[0], self.specs[place]["template"]["metadata"]["name"])

    def apply(self, place, spec):
        namespace, name = place
        manifest = {
            "apiVersion": "secrets-bridge.io/v1alpha1",
            "kind": "WrappedSecret",
            "metadata": {"namespace": namespace, "name": name},
            "spec": spec,
        }
        path = object_path(namespace, name) + "?fieldManager=chaos&force=true"
        self.api.expect({200, 201}, "PATCH", path, manifest, kind=APPLY)
        self.specs[place] = spec

    @staticmethod
    def patiently(body):
        """The KMS restarts, too."""
        end = time.monotonic() + 90
        while True:
            try:
                return body()
            except Exception as error:  # noqa: BLE001 - hvac has many
                if time.monotonic() > end:
                    raise GivenUp(f"the KMS did not serve: {error!r}") from error
                time.sleep(0.2)
