"""Compares the cluster with the expected state, by a client that shares no code with the controller."""

import base64
import collections
import hashlib
import json

from kubernetes_api import OBJECTS, object_path, secret_path

MANAGED = "secrets-bridge.io/managed=true"


class Opener:
    """Decrypts manifests, each MAC of a namespace once."""

    def __init__(self, readers, open_wrapped):
        """`readers` are clients of the KMS, one for each key; `open_wrapped(reader, manifest)` decrypts."""
        self.readers = readers
        self.open_wrapped = open_wrapped
        self.opened = {}

    def __call__(self, manifest):
        key = (manifest["metadata"]["namespace"], manifest["spec"]["mac"])
        if key not in self.opened:
            key_id = manifest["spec"]["recipients"][0]["keyID"]
            reader = next(reader for reader in self.readers if reader.opens(key_id))
            self.opened[key] = self.open_wrapped(reader, manifest)
        return self.opened[key]


def differences(api, namespaces, wanted, open_wrapped):
    """Returns a line for each difference. `wanted` maps each place to its last spec, or None. `open_wrapped` decrypts a
    manifest and is called once for each MAC."""
    problems = []
    for namespace in namespaces:
        objects = {item["metadata"]["name"]: item for item in api.list(object_path(namespace))}
        secrets = {item["metadata"]["name"]: item for item in api.list(secret_path(namespace) + f"?labelSelector={MANAGED}")}
        expected = {name: spec for (place, name), spec in wanted.items() if place == namespace and spec is not None}
        problems += [f"{namespace}/{name}: the WrappedSecret is missing" for name in expected.keys() - objects.keys()]
        problems += [f"{namespace}/{name}: the WrappedSecret was not deleted" for name in objects.keys() - expected.keys()]
        owned = set()
        for name, item in objects.items():
            if name in expected and item["spec"]["mac"] != expected[name]["mac"]:
                problems.append(f"{namespace}/{name}: is not what was applied last")
            secret_name = item["spec"]["template"]["metadata"]["name"]
            owned.add(secret_name)
            problems += [f"{namespace}/{name}: {text}" for text in compare(item, secrets.get(secret_name), open_wrapped)]
        uids = {item["metadata"]["uid"] for item in objects.values()}
        problems += [f"{namespace}: Secret {name} is left over: {left_over(secrets[name], uids)}" for name in secrets.keys() - owned]
    return problems


def left_over(secret, uids):
    """Returns which deletion of a Secret is missing."""
    owners = secret["metadata"].get("ownerReferences", [])
    if any(owner["uid"] in uids for owner in owners):
        return "its WrappedSecret has another name for it, and the controller has not deleted it"
    return "its WrappedSecret is deleted, and the garbage collector has not deleted it"


def condition(item, kind="Ready"):
    """Returns the condition of this type, or None."""
    return next((one for one in item.get("status", {}).get("conditions", []) if one["type"] == kind), None)


def compare_status(item):
    ready = condition(item)
    if ready is None:
        yield "has no condition Ready"
    elif ready["status"] != "True":
        yield f"not ready: {ready['reason']}: {ready['message']}"
    generation, observed = item["metadata"]["generation"], item.get("status", {}).get("observedGeneration")
    if observed != generation:
        yield f"observedGeneration is {observed}, and generation is {generation}"


def compare(item, secret, open_wrapped):
    metadata = item["metadata"]
    yield from compare_status(item)
    if secret is None:
        yield "the Secret is missing"
        return
    values = {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}
    if values != open_wrapped(item):
        yield "the Secret has other values"
    owners = [(one["kind"], one["name"], one["uid"]) for one in secret["metadata"].get("ownerReferences", [])]
    if owners != [("WrappedSecret", metadata["name"], metadata["uid"])]:
        yield f"the Secret has the owners {owners}"
    template = item["spec"]["template"]["metadata"]
    for field in ("labels", "annotations"):
        actual = {key: value for key, value in secret["metadata"].get(field, {}).items() if key.startswith("example.org/")}
        if actual != template.get(field, {}):
            yield f"the Secret has the {field} {actual}"


class Version:
    """A version of an object, and whether another one only records that the Secret's data was proved again.

    The controller writes such a record at most once a minute, so that it may come late, if another writer changed the Secret
    without effect or a fault prevented the record at once."""

    def __init__(self, item):
        metadata, status = dict(item["metadata"]), dict(item.get("status", {}))
        self.number = metadata.pop("resourceVersion")
        metadata.pop("managedFields", None)
        status.pop("lastVerifiedTime", None)
        secret = dict(status.pop("secret", {}))
        self.proved = secret.pop("resourceVersion", None)
        rest = json.dumps([{**item, "metadata": metadata, "status": status}, secret], sort_keys=True)
        self.rest = hashlib.sha256(rest.encode()).digest()

    def is_record_after(self, earlier):
        return earlier is not None and self.rest == earlier.rest and self.proved != earlier.proved


def versions(api, namespaces):
    """Returns the version of every object that the controller writes."""
    paths = [path(namespace) for namespace in namespaces for path in (object_path, secret_path)]
    paths += [f"{OBJECTS}/clusterkeyproviders", f"{OBJECTS}/keyproviders"]
    return {(path, item["metadata"]["uid"]): Version(item) for path in paths for item in api.list(path)}


def needless_writes(before, after):
    """Returns a line for each kind of object that was written between two results of `versions`, except for records."""
    changed = []
    for (path, uid), version in after.items():
        earlier = before.get((path, uid))
        if (earlier is None or earlier.number != version.number) and not version.is_record_after(earlier):
            changed.append(path)
    return [f"{path}: {count} objects are written although nothing changes" for path, count in collections.Counter(changed).items()]


def leaks(api, namespaces, canary, texts):
    """Returns the places where the canary of every value leaked: of these texts by name, statuses and events."""
    canaries = [canary, base64.b64encode(canary.encode()).decode()[:9]]
    texts = dict(texts)
    for namespace in namespaces:
        texts[f"the objects of {namespace}"] = str(api.list(object_path(namespace)))
        texts[f"the events of {namespace}"] = str(api.list(f"/api/v1/namespaces/{namespace}/events"))
    return [f"a value is in {where}" for where, text in texts.items() if any(one in text for one in canaries)]
