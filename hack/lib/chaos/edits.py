"""Writers that change objects all the time: users who wrap, GitOps engines, manual edits of Secrets, and a hostile tenant."""

import collections
import random
import threading
import time

import attacks
from kubernetes_api import APPLY, MERGE, GivenUp, create_service_account, object_path, secret_path

CANARY = "canary-"


class Editor(threading.Thread):
    """Owns a share of the objects, so that its last edit of an object is the expected state."""

    def __init__(self, api, kms, make, places, seed, pause, key_ref=None):
        """`make(kms, namespace, name, values)` wraps values for the Secret of that name. `places` lists the namespace and
        name of each object, and `key_ref` is their provider."""
        super().__init__(daemon=True)
        self.api = api
        self.kms = kms
        self.make = make
        self.random = random.Random(seed)
        self.pause = pause
        self.fields = {"keyRef": key_ref} if key_ref else {}
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
                self.edit_object(self.random.choice(list(self.specs)))
        except Exception as error:  # noqa: BLE001 - the run reports it
            self.failure = error

    def edit_object(self, place):
        self.perform(self.choose(place), place)

    def perform(self, edit, place):
        edit(place)

    def choose(self, place):
        if self.specs[place] is None:
            return self.write
        edits = [self.write] * 6 + [self.rename] + [self.label] * 3 + [self.delete] + [self.sync]
        edits += [self.edit] * 2 + [self.delete_secret] + [self.strip]
        return self.random.choice(edits)

    def write(self, place):
        """Writes new values under a new data key."""
        before = self.specs[place]
        self.apply(place, self.wrap(place))
        self.done["values changed" if before else "created"] += 1

    def wrap(self, place):
        """Returns a spec with new values under a new data key."""
        namespace, _ = place
        self.round += 1
        before = self.specs[place]
        template = dict(before["template"]) if before else {"metadata": {"name": self.secret_name(place)}}
        values = self.values(place)
        spec = self.retry(lambda: self.make(self.kms, namespace, template["metadata"]["name"], values))["spec"]
        return {**spec, **self.fields, "template": template}

    def secret_name(self, place):
        """Returns the first name of the Secret."""
        return place[1]

    def values(self, _):
        """Returns new values of a place by entry."""
        entries = self.random.sample(["password", "user", "url", "empty"], self.random.randint(1, 4))
        return {
            entry: "" if entry == "empty" else f"{CANARY}{entry}-{self.round}-{self.random.getrandbits(64):x}"
            for entry in entries
        }

    def rename(self, place):
        first = self.secret_name(place)
        metadata = dict(self.specs[place]["template"]["metadata"])
        metadata["name"] = renamed(first) if metadata["name"] == first else first
        self.specs[place] = {**self.specs[place], "template": {"metadata": metadata}}
        self.write(place)
        self.done["renamed"] += 1

    def label(self, place):
        """Writes a new template; the values stay."""
        metadata = dict(self.specs[place]["template"]["metadata"])
        field = self.random.choice(["labels", "annotations"])
        metadata[field] = {f"example.org/{self.random.choice('abc')}": f"v{self.random.randint(0, 99)}"}
        self.apply(place, {**self.specs[place], "template": {"metadata": metadata}})
        self.done["template changed"] += 1

    def delete(self, place):
        self.api.expect({200, 202, 404}, "DELETE", object_path(*place))
        self.specs[place] = None
        self.done["deleted"] += 1
        # Mostly it stays deleted for a while; an apply right after the deletion is the harder case.
        if self.random.random() < 0.4:
            self.write(place)

    def sync(self, place):
        annotations = {"secrets-bridge.io/sync": f"{self.random.getrandbits(32):x}"}
        self.api.expect({200}, "PATCH", object_path(*place), {"metadata": {"annotations": annotations}}, kind=MERGE)
        self.done["sync requested"] += 1

    def edit(self, place):
        self.touch(place, {"data": {"password": "dGFtcGVyZWQ=", "foreign": "eA=="}}, "Secret edited")

    def strip(self, place):
        self.touch(place, {"metadata": {"labels": {"secrets-bridge.io/managed": None}}}, "Secret's label removed")

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
    def retry(body):
        """Retries for 90 seconds, because the KMS restarts as well."""
        end = time.monotonic() + 90
        while True:
            try:
                return body()
            except Exception as error:  # noqa: BLE001 - hvac has many
                if time.monotonic() > end:
                    raise GivenUp(f"the KMS returned errors for 90 s: {error!r}") from error
                time.sleep(0.2)


def renamed(name):
    """Returns the other name of a Secret."""
    return f"{name}-renamed"


NAMESPACE = "chaos-hostile"
# A table has names without the objects, which may nest deeper than Python decodes.
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


class HostileTenant(threading.Thread):
    """Attacks the controller with the rights of its own namespace. Its own objects are not compared."""

    def __init__(self, admin, kms, make, seed, pause=0.5):
        """`make` is the same function as Editor's."""
        super().__init__(daemon=True)
        client = create_service_account(admin, NAMESPACE, "tenant")
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
            except Exception as failure:  # noqa: BLE001 - both servers restart, and the tenant has no proxy
                self.failures[f"{attack.__name__}: {type(failure).__name__}"] += 1

    def delete(self, tenant):
        """Deletes one of its objects, so that later attacks create it again."""
        path = self.random.choice([object_path, secret_path])
        listed = tenant.api.session().get(f"{tenant.api.server}{path(NAMESPACE)}", headers={"Accept": TABLE}, params={"includeObject": "None"}, timeout=30)
        names = [entry["cells"][0] for entry in listed.json().get("rows", [])]
        if names:
            tenant.send("DELETE", path(NAMESPACE, self.random.choice(names)), also={404})

    def problems(self):
        """Returns why the run proves nothing about attacks."""
        if self.is_alive():
            return ["the hostile tenant does not stop"]
        missing = [attack.__name__ for attack in attacks.ALL if not self.done[attack.__name__]]
        if len(missing) > len(attacks.ALL) // 2:
            return [f"the hostile tenant could not run {', '.join(missing)}: {dict(self.failures)}"]
        return []
