"""Reads the definitions: their OpenAPI schemas, their CEL rules with their paths, and the cases for them."""

import functools
import json
import pathlib
from dataclasses import dataclass

import celpy
import celpy.celtypes
import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def read_yaml(path):
    return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)


DEFINITIONS = {
    definition["spec"]["names"]["kind"]: definition for definition in map(read_yaml, sorted((ROOT / "manifests/crds").glob("*.yaml")))}
SCHEMAS = {kind: found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind, found in DEFINITIONS.items()}
VECTORS = ROOT / "Tests/Vectors/crd"
NAMESPACE = "crd-cases"


def provider(spec, kind="ClusterKeyProvider"):
    metadata = {"name": "eu"} if DEFINITIONS[kind]["spec"]["scope"] == "Cluster" else {"name": "eu", "namespace": NAMESPACE}
    return {"apiVersion": "secrets-bridge.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def provider_case(case):
    assert set(case) <= {"name", "kind", "spec", "expect", "by", "path", "message"}
    found = {**case, "object": provider(case["spec"], case.get("kind", "ClusterKeyProvider"))}
    del found["spec"]
    found.pop("kind", None)
    return found


# The fields that have an address, with a section that is complete but for it, and whether plain http to this machine passes.
ADDRESSES = {
    "spec.vaultTransit.address": ({"key": "k"}, True),
    "spec.awsKMS.endpoint": ({"keyID": "alias/k", "region": "eu-west-1"}, True),
    "spec.awsKMS.stsEndpoint": ({"keyID": "alias/k", "region": "eu-west-1"}, True),
    "spec.gcpKMS.endpoint": ({"key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}, True),
    "spec.gcpKMS.stsEndpoint": ({"key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}, True),
    "spec.gcpKMS.iamEndpoint": ({"key": "projects/p/locations/l/keyRings/r/cryptoKeys/k"}, True),
    "spec.azureKeyVault.vaultURL": ({"key": "k"}, False),
    "spec.azureKeyVault.authorityHost": ({"key": "k", "vaultURL": "https://payments.vault.azure.net"}, False),
}
GOOD_ADDRESSES = ["https://a.example.com", "https://a.example.com:8200", "https://a.example.com/", "https://10.0.0.1", "https://[2001:db8::1]:8200"]
LOCAL_ADDRESSES = ["http://127.0.0.1:8200", "http://localhost", "http://localhost/", "http://[::1]:8200"]
HTTP_ADDRESSES = [
    "http://a.example.com", "http://10.0.0.1:8200", "http://localhost.example.com", "http://127.0.0.1.example.com:8200",
    "http://127.0.0.11", "http://[::1:1]",
]
BAD_ADDRESSES = [
    "https://user@a.example.com", "https://user:password@a.example.com", "https://a.example.com@b.example.com", "http://127.0.0.1@a.example.com",
    "http://localhost:80@a.example.com", "https://a.example.com?a=b", "https://a.example.com#a", "https://a.example.com/%2e%2e", "https://a example.com",
    "https://a.example.com\\@b.example.com", "https://a.example.com:port", "https://[::1", "https://::1", "https:///path", "https://",
    "a.example.com:8200", "//a.example.com", "ftp://a.example.com", "file:///etc/passwd", "https://a.example.com\n", "https://ä.example.com",
]


def address_cases():
    """The first field with each schema has every case, and the others one of each kind. A test compares their schemas."""
    seen = set()
    for path, (rest, allows_local) in ADDRESSES.items():
        _, section, field = path.split(".")
        some = slice(None) if allows_local not in seen else slice(1)
        seen.add(allows_local)

        def case(address, **expected):
            return {"name": f"{section}.{field} {address!r}", "object": provider({section: {**rest, field: address}}), **expected}

        plain = {"expect": "error", "by": "rule", "path": path, "message": "an https URL is expected"}
        yield from (case(address, expect="ok") for address in GOOD_ADDRESSES[some])
        yield from (case(address, **({"expect": "ok"} if allows_local else plain)) for address in LOCAL_ADDRESSES[some])
        yield from (case(address, **plain) for address in HTTP_ADDRESSES[some])
        yield from (case(address, expect="error", by="schema", path=path) for address in BAD_ADDRESSES[some])


# The API server accepts its own audience only as it is written in its settings; other spellings are refused too.
API_SERVER_AUDIENCES = [
    "kubernetes", "Kubernetes", "https://kubernetes", "kubernetes.default", "kubernetes.default.", "https://kubernetes.default",
    "kubernetes.default.svc", "KUBERNETES.DEFAULT.SVC", "https://kubernetes.default.svc", "https://kubernetes.default.svc/",
    "https://kubernetes.default.svc:443", "https://kubernetes.default.svc.", "https://kubernetes.default.svc.cluster.local",
    "HTTPS://Kubernetes.Default.Svc.Cluster.Local", "https://kubernetes.default.svc.cluster.local/", "https://kubernetes.default.svc.cluster.local:6443/a",
    "kubernetes.default.svc.example.org", "http://kubernetes.default.svc", "https://kubernetes.default.svc?a",
]
KMS_AUDIENCES = [
    "vault", "https://vault.example.com:8200", "sts.amazonaws.com", "api://AzureADTokenExchange", "kubernetes-vault", "kubernetes.example.com",
    "kubernetes.default-vault", "vault:kubernetes", "https://vault.example.com/kubernetes.default.svc", "mykubernetes.default.svc",
]


def audience_cases():
    def case(audience, **expected):
        spec = {"vaultTransit": {"address": "https://a.example.com", "key": "k"}, "identity": {"audience": audience}}
        return {"name": f"the audience {audience}", "object": provider(spec), **expected}

    yield from (case(audience, expect="ok") for audience in KMS_AUDIENCES)
    for audience in API_SERVER_AUDIENCES:
        yield case(audience, expect="error", by="rule", path="spec.identity.audience", message="the API server's audience is not allowed")


WRAPPED_SECRET_CASES = read_yaml(VECTORS / "cases.yaml")
PROVIDER_CASES = [
    *(provider_case(case) for case in read_yaml(VECTORS / "providers.yaml")), *address_cases(), *audience_cases()]
CASES = WRAPPED_SECRET_CASES + PROVIDER_CASES


@dataclass(frozen=True)
class Refusal:
    path: str
    message: str


def dotted(parts):
    """Returns a path as the API server prints it: spec.recipients[0].keyID."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def pattern(validator, wanted, instance, schema):
    """Converts an OpenAPI pattern with Go's semantics, where $ matches only the end and not before a final line break."""
    import re2

    if isinstance(instance, str) and not re2.search(wanted, instance):
        yield jsonschema.ValidationError(f"does not match {wanted}")


Validator = jsonschema.validators.extend(jsonschema.Draft4Validator, {"pattern": pattern})


def schema_refusals(value):
    refusals = []
    for error in Validator(SCHEMAS[value["kind"]]).iter_errors(value):
        parts = list(error.absolute_path)
        if error.validator == "required":
            parts += [name for name in error.validator_value if name not in error.instance][:1]
        refusals.append(Refusal(dotted(parts), error.message))
    return refusals


ENVIRONMENT = celpy.Environment()
# A function of the API server's library of strings.
FUNCTIONS = {"lowerAscii": lambda text: celpy.celtypes.StringType("".join(c.lower() if c.isascii() else c for c in text))}


@functools.cache
def program(rule):
    return ENVIRONMENT.program(ENVIRONMENT.compile(rule), functions=FUNCTIONS)


@functools.lru_cache(maxsize=16)
def converted(text):
    return celpy.json_to_cel(json.loads(text))


@functools.cache
def evaluate(rule, **variables):
    """Evaluates a rule with variables in JSON, once: most cases differ in one field, and several tests evaluate each."""
    return bool(program(rule).evaluate({name: converted(text) for name, text in variables.items()}))


def rules(schema, path=()):
    """Yields every rule of a schema with its path."""
    for entry in schema.get("x-kubernetes-validations", []):
        yield path, entry
    for name, child in schema.get("properties", {}).items():
        yield from rules(child, (*path, name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from rules(schema[keyword], (*path, "*"))


def rule_refusals(value, old=None, schema=None, path=()):
    """Returns the violations of the rules. As on the server, a rule with oldSelf runs only on an update."""
    schema = schema or SCHEMAS[value["kind"]]
    refusals = []
    entries = schema.get("x-kubernetes-validations", [])
    text = json.dumps(value) if entries else ""
    for entry in entries:
        variables = {"self": text}
        if "oldSelf" in entry["rule"]:
            if old is None:
                continue
            variables["oldSelf"] = json.dumps(old)
        if not evaluate(entry["rule"], **variables):
            refusals.append(Refusal(dotted(path), entry["message"]))
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, child in schema.get("properties", {}).items():
            if name in value:
                refusals += rule_refusals(value[name], before.get(name), child, (*path, name))
        if isinstance(schema.get("additionalProperties"), dict):
            for name in value:
                refusals += rule_refusals(value[name], before.get(name), schema["additionalProperties"], (*path, name))
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            # The list's type determines the old item to compare with; no rule of the definitions needs it.
            refusals += rule_refusals(item, None, schema["items"], (*path, index))
    return refusals
