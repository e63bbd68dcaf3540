"""Attacks by a tenant with the rights of the role `edit` in one namespace, which try to stop the controller for the
other namespaces. hack/chaos runs a random choice of them; the suites TenantAttempts in Tests/IntegrationTests make each
beside a victim."""

import json

from kubernetes_api import JSON_PATCH, MERGE, object_path, secret_path

MANAGED = {"secrets-bridge.io/managed": "true"}
LARGEST = 2**63 - 1
OWNER = {"apiVersion": "example.org/v1", "kind": "Nothing", "uid": "00000000-0000-0000-0000-000000000000"}


class Tenant:
    """A service account that may read and write WrappedSecrets and Secrets of its own namespace, and nothing else."""

    def __init__(self, api, namespace, wrap, patience=0):
        """`wrap(namespace, name, values)` returns a WrappedSecret for the Secret of that name."""
        self.api = api
        self.namespace = namespace
        self.wrap = wrap
        self.patience = patience

    def send(self, method, path, body=None, kind="application/json", also=()):
        return self.api.expect({200, 201, 202, *also}, method, path, body, kind=kind, patience=self.patience)[1]

    def apply(self, name, values=None, secret=None, metadata=None, **spec):
        """Creates the WrappedSecret or changes its spec. `secret` names its Secret if the name differs."""
        manifest = self.wrap(self.namespace, secret or name, values or {"password": "hostile"})
        if secret:
            spec["template"] = {"metadata": {"name": secret}, **spec.get("template", {})}
        manifest["metadata"].update({"name": name, **(metadata or {})})
        manifest["spec"].update(spec)
        return self.put(object_path(self.namespace), name, manifest)

    def secret(self, name, metadata=None, data=None):
        """Creates a Secret with the label that the controller watches, or changes it."""
        metadata = {"name": name, "namespace": self.namespace, "labels": MANAGED, **(metadata or {})}
        return self.put(secret_path(self.namespace), name, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data or {}})

    def put(self, path, name, manifest):
        status, answer = self.api.call("POST", path, manifest, patience=self.patience)
        if status == 409:
            return self.send("PATCH", f"{path}/{name}", manifest, MERGE)
        if status != 201:
            raise Refused(f"POST {path}: {status} {answer.get('message')}")
        return answer

    def patch(self, path, *operations):
        """Sends a JSON patch of operations (op, path, value), or bytes unchanged."""
        if isinstance(operations[0], bytes):
            return self.send("PATCH", path, operations[0], JSON_PATCH)
        return self.send("PATCH", path, [{"op": op, "path": where, "value": value} for op, where, value in operations], JSON_PATCH)

    def annotate(self, path, annotations):
        return self.send("PATCH", path, {"metadata": {"annotations": annotations}}, MERGE)

    def object(self, name):
        return object_path(self.namespace, name)

    def secret_path(self, name):
        return secret_path(self.namespace, name)


class Refused(Exception):
    """The API server did not accept an attack."""


# managedFields


def nested(depth):
    """Returns JSON text that nests `depth` objects, which Python's encoder does not support."""
    return '{"f:a":' * depth + "{}" + "}" * depth


def managed_fields(fields, api_version="v1", manager="tenant"):
    entry = f'"manager":"{manager}","operation":"Update","apiVersion":"{api_version}","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1"'
    return f'[{{"op":"add","path":"/metadata/managedFields","value":[{{{entry},"fieldsV1":{fields}}}]}}]'.encode()


def deep_fields_of_object(tenant, depth=600):
    tenant.apply("deep-object")
    tenant.patch(tenant.object("deep-object"), managed_fields(nested(depth), "secrets-bridge.io/v1alpha1"))


def deep_fields_of_secret(tenant, depth=600):
    tenant.secret("deep-secret")
    tenant.patch(tenant.secret_path("deep-secret"), managed_fields(nested(depth)))


def deeper_fields(tenant):
    """Nests to the limit of the API server's decoder."""
    tenant.apply("deeper")
    tenant.patch(tenant.object("deeper"), managed_fields(nested(9000), "secrets-bridge.io/v1alpha1"))
    tenant.secret("deeper")
    tenant.patch(tenant.secret_path("deeper"), managed_fields(nested(9000)))


def deep_fields_at_creation(tenant):
    """Sends what `kubectl apply` sends for a manifest that was exported with its managedFields."""
    manifest = tenant.wrap(tenant.namespace, "deep-at-creation", {"password": "hostile"})
    manifest["metadata"]["managedFields"] = "FIELDS"
    (operation,) = json.loads(managed_fields("{}", "secrets-bridge.io/v1alpha1"))
    fields = json.dumps(operation["value"]).replace("{}", nested(600))
    body = json.dumps(manifest).replace('"FIELDS"', fields).encode()
    tenant.api.call("DELETE", tenant.object("deep-at-creation"), patience=tenant.patience)
    tenant.send("POST", object_path(tenant.namespace), body)


def wide_fields(tenant):
    """Lets one manager own a great many fields."""
    fields = "{" + ",".join(f'"f:field-{number}":{{}}' for number in range(40_000)) + "}"
    tenant.secret("wide-fields")
    tenant.patch(tenant.secret_path("wide-fields"), managed_fields(fields))


def strange_fields(tenant):
    """Uses keys that contain JSON: deep, out of range, and longer by escapes than the limit of a line."""
    keys = ["f:" + "<" * 700_000, 'k:{"name":' + '{"a":' * 600 + "1" + "}" * 601, "v:1e999999", "v:9223372036854775808", "i:-99999999999999999999"]
    for number, key in enumerate(keys):
        tenant.secret(f"strange-fields-{number}")
        body = managed_fields(json.dumps({key: {}, "f:data": {key: {}}}))
        # The server rejects some as invalid paths.
        tenant.send("PATCH", tenant.secret_path(f"strange-fields-{number}"), body, JSON_PATCH, also={400, 422, 500})


def many_managers(tenant):
    entries = [
        {"manager": f"manager-{number}", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:password": {}}}}
        for number in range(3000)
    ]  # fmt: skip
    tenant.secret("many-managers", data={"password": "eA=="})
    tenant.patch(tenant.secret_path("many-managers"), ("add", "/metadata/managedFields", entries))


def strange_managers(tenant):
    """Writes entries that only the API server should write: no time, times out of range, the controller's manager twice."""
    base = {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:password": {}}}}
    times = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+14:00", None]
    entries = [{**base, "manager": "secrets-bridge", "time": time} for time in times]
    entries += [{**base, "manager": "", "operation": "Apply"}, {**base, "manager": "secrets-bridge-0", "fieldsV1": {}}]
    tenant.apply("strange-managers")
    tenant.secret("strange-managers-secret", data={"password": "eA=="})
    tenant.patch(tenant.secret_path("strange-managers-secret"), ("add", "/metadata/managedFields", entries))
    for entry in entries:
        entry["apiVersion"] = "secrets-bridge.io/v1alpha1"
        entry["fieldsV1"] = {"f:spec": {"f:mac": {}}}
    tenant.patch(tenant.object("strange-managers"), ("add", "/metadata/managedFields", entries))


def long_manager(tenant):
    """Newer servers limit the name."""
    tenant.secret("long-manager")
    body = managed_fields("{}", manager="<" * 1_400_000)
    tenant.send("PATCH", tenant.secret_path("long-manager"), body, JSON_PATCH, also={422})


# Long lines and long lists


def long_owner_of_secret(tenant):
    """Sends 1.45 MB that the API server writes as 8.7 MB, because it escapes `<`."""
    tenant.secret("long-owner", metadata={"ownerReferences": [{**OWNER, "name": "<" * 1_450_000}]})


def long_owner_of_object(tenant):
    tenant.apply("long-owner", metadata={"ownerReferences": [{**OWNER, "name": "<" * 235_000}]})


def many_owners(tenant):
    owners = [{**OWNER, "name": f"owner-{number}", "uid": str(number)} for number in range(2000)]
    tenant.secret("many-owners", metadata={"ownerReferences": owners})
    tenant.apply("many-owners-object", metadata={"ownerReferences": owners})


def many_annotations(tenant):
    annotations = {f"a{number}": "" for number in range(5000)}
    tenant.secret("many-annotations", metadata={"annotations": annotations})
    tenant.apply("many-annotations-object", metadata={"annotations": annotations})


def many_labels(tenant):
    """Writes annotations, whose total size is limited by etcd alone."""
    labels = {f"l{number}": "x" * 60 for number in range(5000)}
    tenant.secret("many-labels", metadata={"labels": {**labels, **MANAGED}})
    tenant.apply("many-labels-object", metadata={"labels": labels})


def nested_text(tenant):
    """Uses depth and size in fields that are plain text to the API server."""
    text = {"kubectl.kubernetes.io/last-applied-configuration": nested(30_000)}
    tenant.secret("nested-text", metadata={"annotations": text})
    tenant.apply("nested-text-object", metadata={"annotations": text})


# Values that the controller reads


def extreme_numbers(tenant):
    """Writes generations to the annotation `source` of an owned Secret, and numbers beyond 64 bits."""
    tenant.apply("extreme-numbers")
    uid = tenant.send("GET", tenant.object("extreme-numbers"))["metadata"]["uid"]
    for number in (LARGEST, -LARGEST - 1, 10**30, "", "+1", "0x10", "1e3", "٣"):
        tenant.secret(f"extreme-{str(number).encode().hex()[:40] or 'none'}", metadata={
            "annotations": {"secrets-bridge.io/wrapped-secret": "extreme-numbers", "secrets-bridge.io/source": f"{uid}/{number}"}})  # fmt: skip
    current = tenant.api.call("GET", tenant.secret_path("extreme-numbers"), patience=tenant.patience)
    if current[0] == 200:
        tenant.annotate(tenant.secret_path("extreme-numbers"), {"secrets-bridge.io/source": f"{uid}/{LARGEST}"})


def strange_text(tenant):
    """Writes control characters, surrogates and invalid UTF-8 to free text."""
    for text in ("\\u202egnp.evil", "\\u0000\\u001b[2J\\u009b31m", "\\ud800", "\\uffff\\u2028"):
        body = '{"metadata":{"annotations":{"secrets-bridge.io/sync":"%s","example.org/text":"%s"}}}' % (text, text)
        tenant.apply("strange-text")
        tenant.send("PATCH", tenant.object("strange-text"), body.encode(), MERGE)
        tenant.secret("strange-text-secret")
        tenant.send("PATCH", tenant.secret_path("strange-text-secret"), body.encode(), MERGE)
    raw = b'{"metadata":{"annotations":{"example.org/text":"\xff\xfe\xc3"}}}'
    # Newer servers reject it.
    tenant.send("PATCH", tenant.secret_path("strange-text-secret"), raw, MERGE, also={400, 422})


def held_by_finalizers(tenant):
    """Creates a WrappedSecret and a Secret that never finish terminating."""
    finalizers = {"finalizers": ["example.org/never"]}
    for path, name, make in (
        (tenant.object("held"), "held", tenant.apply),
        (tenant.secret_path("held-secret"), "held-secret", tenant.secret),
    ):
        status, current = tenant.api.call("GET", path, patience=tenant.patience)
        if status == 404:
            make(name, metadata=finalizers)
            tenant.send("DELETE", path)


def invalid_objects(tenant):
    """Creates objects that the controller rejects, each for another reason."""
    tenant.apply("invalid-mac", mac="A" * 43 + "=")
    tenant.apply("invalid-format", format="v99999999999999")
    tenant.apply("invalid-data", data={"password": "A" * 40})
    tenant.apply("invalid-recipient", recipients=[{"keyID": "local:" + "0" * 64, "wrappedKey": "A" * 80}])
    tenant.apply("invalid-type", template={"type": "helm.sh/release.v1"})
    tenant.apply("other-name", template={"metadata": {"name": "not-wrapped-for-this"}})


def large_objects(tenant, count=8, size=1_390_000):
    """Writes the largest object that etcd accepts, with data that its MAC does not cover."""
    for number in range(count):
        tenant.apply(f"large-{number}", data={"password": "A" * size})


def contested_secrets(tenant):
    """Creates two WrappedSecrets for one Secret, which either may adopt."""
    tenant.secret("contested", metadata={"annotations": {"secrets-bridge.io/allow": "adopt"}})
    for name in ("contested-a", "contested-b"):
        tenant.apply(name, {"password": name}, secret="contested", creationPolicy="Orphan")


def missing_targets(tenant, count=30):
    for number in range(count):
        tenant.apply(f"merge-{number}", secret="missing-target", creationPolicy="Merge")


def churn(tenant, count=30):
    """Changes one object as fast as the API server accepts it."""
    tenant.apply("churn")
    for number in range(count):
        tenant.annotate(tenant.object("churn"), {"secrets-bridge.io/sync": str(number)})


def forged_data(tenant):
    """Writes its own data to an owned Secret and restores the previous managedFields."""
    tenant.apply("forged-data")
    status, secret = tenant.api.call("GET", tenant.secret_path("forged-data"), patience=tenant.patience)
    if status == 200:
        tenant.send("PATCH", tenant.secret_path("forged-data"), {"data": {"password": "Zm9yZ2Vk"}}, MERGE, also={404})
        before = [{"op": "replace", "path": "/metadata/managedFields", "value": secret["metadata"]["managedFields"]}]
        tenant.send("PATCH", tenant.secret_path("forged-data"), before, JSON_PATCH, also={404})


BLINDING = [
    deep_fields_of_object, deep_fields_of_secret, deeper_fields, deep_fields_at_creation, wide_fields, strange_fields,
    many_managers, strange_managers, long_manager, long_owner_of_secret, long_owner_of_object, many_owners, many_annotations, many_labels,
    nested_text,
]  # fmt: skip
MISLEADING = [
    extreme_numbers, strange_text, held_by_finalizers, invalid_objects, large_objects, contested_secrets, missing_targets, churn,
    forged_data,
]  # fmt: skip
ALL = BLINDING + MISLEADING
