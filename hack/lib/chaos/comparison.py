"""Compares the cluster with the expected state, by a client that shares no code with the controller."""

import base64

from kubernetes_api import OBJECTS, object_path, secret_path

MANAGED = "secrets-bridge.io/managed=true"


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


def condition(item):
    """Returns the condition Ready, or None."""
    return next((one for one in item.get("status", {}).get("conditions", []) if one["type"] == "Ready"), None)


def compare(item, secret, open_wrapped):
    metadata, status = item["metadata"], item.get("status", {})
    ready = condition(item)
    if ready is None:
        yield "has no condition Ready"
    elif ready["status"] != "True":
        yield f"not ready: {ready['reason']}: {ready['message']}"
    if status.get("observedGeneration") != metadata["generation"]:
        yield f"observedGeneration is {status.get('observedGeneration')}, and generation is {metadata['generation']}"
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


def versions(api, namespaces):
    """Returns the resourceVersion of every object that the controller writes."""
    paths = [path(namespace) for namespace in namespaces for path in (object_path, secret_path)]
    paths += [f"{OBJECTS}/clusterkeyproviders", f"{OBJECTS}/keyproviders"]
    return {(path, item["metadata"]["uid"]): item["metadata"]["resourceVersion"] for path in paths for item in api.list(path)}
