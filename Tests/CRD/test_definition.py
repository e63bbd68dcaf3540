"""The cases of Tests/Vectors/crd against the schemas and rules of the definitions, evaluated by Python, because old API servers drop CEL."""

import copy
import re

import pytest

from crd import ADDRESSES, CASES, SCHEMAS, WRAPPED_SECRET_CASES, provider, rule_refusals, rules, schema_refusals

KINDS = pytest.mark.parametrize("kind", SCHEMAS)


def refusals(value, old=None):
    """Applies the schema first, and rules only to what passed it, as the server does."""
    return schema_refusals(value) or rule_refusals(value, old)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    assert set(case) <= {"name", "old", "object", "expect", "by", "path", "message"}
    if "old" in case:
        assert refusals(case["old"]) == [], "the object before the update is itself refused"
    found = {"schema": schema_refusals(case["object"])}
    found["rule"] = [] if found["schema"] else rule_refusals(case["object"], case.get("old"))
    if case["expect"] == "ok" or case["by"] == "code":
        assert found == {"schema": [], "rule": []}
        return
    assert case["expect"] == "error"
    other = {"schema": "rule", "rule": "schema"}[case["by"]]
    assert found[other] == []
    assert {refusal.path for refusal in found[case["by"]]} == {case["path"]}
    assert all(case.get("message", "") in refusal.message for refusal in found[case["by"]])


@KINDS
def test_every_rule_is_seen_to_refuse_and_to_pass(kind):
    """Ensures that no rule looks tested because another rule rejects its case."""
    refused = {
        (re.sub(r"\[\d+\]", ".*", refusal.path), refusal.message)
        for case in CASES
        if case["object"]["kind"] == kind and not schema_refusals(case["object"])
        for refusal in rule_refusals(case["object"], case.get("old"))
    }
    everything = {(".".join(path), entry["message"]) for path, entry in rules(SCHEMAS[kind])}
    assert refused == everything


def patterns(schema, path=""):
    """Yields the path of every field that has a pattern."""
    if "pattern" in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from patterns(child, f"{path}.{name}".removeprefix("."))
    if isinstance(schema.get("items"), dict):
        yield from patterns(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from patterns(schema["additionalProperties"], f"{path}.*")


@pytest.mark.parametrize("kind", ["ClusterKeyProvider", "KeyProvider"])
def test_every_pattern_is_seen_to_refuse(kind):
    refused = {
        re.sub(r"\[\d+\]", "[]", re.sub(r"matchLabels\..*", "matchLabels.*", refusal.path))
        for case in CASES if case["object"]["kind"] == kind for refusal in schema_refusals(case["object"])
    }
    assert set(patterns(SCHEMAS[kind])) <= refused


def test_a_key_provider_names_no_server():
    """A tenant writes it: a field that names a server would send it tokens and ciphertexts. The server drops fields that it does not know."""
    spec = SCHEMAS["KeyProvider"]["properties"]["spec"]
    assert set(spec["properties"]) == {"clusterKeyProvider", "serviceAccountName", "key", "mount", "role"}
    assert "x-kubernetes-preserve-unknown-fields" not in spec and "additionalProperties" not in spec


@KINDS
def test_every_rule_has_a_message_of_one_line(kind):
    for _, entry in rules(SCHEMAS[kind]):
        assert entry["message"] and "\n" not in entry["message"]
        # For FieldValueDuplicate, the API server prints the value instead of the message (field.Error.ErrorBody).
        assert entry.get("reason", "FieldValueInvalid") in {
            "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired",
        }


@KINDS
def test_no_field_of_spec_has_a_default(kind):
    """A default would be a permanent difference between Git and the stored object."""

    def check(schema):
        assert "default" not in schema
        for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
            if isinstance(child, dict):
                check(child)

    check(SCHEMAS[kind]["properties"]["spec"])
    assert SCHEMAS[kind]["properties"]["status"]["default"] == {"observedGeneration": -1}


@KINDS
def test_every_text_and_list_of_spec_has_a_limit(kind):
    """The API server estimates the cost of rules from the limits."""

    def check(schema, path):
        keyword = {"string": "maxLength", "array": "maxItems"}.get(schema["type"])
        assert keyword is None or keyword in schema or "enum" in schema, path
        for name, child in {**schema.get("properties", {}), "[]": schema.get("items"), "*": schema.get("additionalProperties")}.items():
            if isinstance(child, dict):
                check(child, f"{path}.{name}")
        assert not isinstance(schema.get("additionalProperties"), dict) or "maxProperties" in schema, path

    check(SCHEMAS[kind]["properties"]["spec"], "spec")


@pytest.mark.parametrize("allows_local", [True, False])
def test_addresses_have_the_same_schema(allows_local):
    schemas = []
    for path, (_, allows) in ADDRESSES.items():
        if allows == allows_local:
            found = SCHEMAS["ClusterKeyProvider"]
            for name in path.split("."):
                found = found["properties"][name]
            (entry,) = found["x-kubernetes-validations"]
            schemas.append({**found, "description": "", "x-kubernetes-validations": entry["rule"]})
    assert schemas and all(schema == schemas[0] for schema in schemas)


def test_every_address_has_cases():
    """Finds addresses by their pattern, so that a new field gets cases."""
    spec = SCHEMAS["ClusterKeyProvider"]["properties"]["spec"]["properties"]
    found = {
        f"spec.{section}.{field}" for section, schema in spec.items() for field, value in schema.get("properties", {}).items()
        if value.get("pattern", "").startswith("^http") or "URL" in value.get("description", "")}
    assert found == set(ADDRESSES)


def test_providers_have_the_same_conditions():
    """Tests that the statuses of both kinds have one schema, and the conditions of a WrappedSecret."""
    one, other = (SCHEMAS[kind]["properties"]["status"] for kind in ("ClusterKeyProvider", "KeyProvider"))
    assert one == other
    conditions = SCHEMAS["WrappedSecret"]["properties"]["status"]["properties"]["conditions"]
    assert one["properties"]["conditions"]["items"] == conditions["items"]


def limits():
    """Tests sizes that are too large for the file of cases: one at the limit, and one above it."""
    base = WRAPPED_SECRET_CASES[0]["object"]

    def changed(**fields):
        value = copy.deepcopy(base)
        value["spec"].update(fields)
        return value

    def keyed(key):
        return [{"keyID": "local:a", "wrappedKey": key}]

    def cluster(section=None, **fields):
        vault = {"address": "https://a.example.com", "key": "k", **(section or {})}
        return provider({"vaultTransit": vault, **fields})

    def limited(count):
        return {
            "spec.vaultTransit.address": cluster({"address": "https://a/" + "a" * (count(2048) - 10)}),
            "spec.vaultTransit.caBundle": cluster({"caBundle": "-----BEGIN CERTIFICATE-----".ljust(count(262144), "a")}),
            "spec.identity.audience": cluster(identity={"audience": "a" * count(512)}),
            "spec.namespaces.names": cluster(namespaces={"names": [f"n{i}" for i in range(count(256))]}),
            "spec.namespaces.names[0]": cluster(namespaces={"names": ["n" * count(63)]}),
            "spec.namespaces.selector.matchLabels": cluster(namespaces={"selector": {"matchLabels": {f"l{i}": "" for i in range(count(16))}}}),
            "spec.keyProviders.roles": cluster(keyProviders={"roles": [f"r{i}" for i in range(count(64))]}),
            "spec.keyProviders.keys[0]": cluster(keyProviders={"keys": ["k" * count(2048)]}),
            "spec.clusterKeyProvider": provider({"clusterKeyProvider": "a" * count(253), "serviceAccountName": "b"}, "KeyProvider"),
            "spec.key": provider({"clusterKeyProvider": "a", "serviceAccountName": "b", "key": "k" * count(2048)}, "KeyProvider"),
        }

    within, above = limited(lambda limit: limit), limited(lambda limit: limit + 1)
    value = "A" * 40
    return {path: (within[path], above[path]) for path in within} | {
        "spec.recipients[0].wrappedKey": (changed(recipients=keyed("a" * 8192)), changed(recipients=keyed("a" * 8193))),
        "spec.data": (changed(data={f"e{i}": value for i in range(1024)}), changed(data={f"e{i}": value for i in range(1025)})),
        "spec.data.e": (changed(data={"e": "A" * 1398144}), changed(data={"e": "A" * 1398148})),
        "spec.template.metadata.annotations.a": (
            changed(template={"metadata": {"annotations": {"a": "x" * 65536}}}),
            changed(template={"metadata": {"annotations": {"a": "x" * 65537}}}),
        ),
        "spec.template.data.a": (
            changed(template={"data": {"a": "x" * 65536}}), changed(template={"data": {"a": "x" * 65537}}),
        ),
        "spec.template.data": (
            changed(template={"data": {f"k{i}": "" for i in range(64)}}), changed(template={"data": {f"k{i}": "" for i in range(65)}}),
        ),
        "spec.template.metadata.labels": (
            changed(template={"metadata": {"labels": {f"l{i}": "" for i in range(64)}}}),
            changed(template={"metadata": {"labels": {f"l{i}": "" for i in range(65)}}}),
        ),
    }


LIMITS = limits()


@pytest.mark.parametrize("path", LIMITS)
def test_limit(path):
    within, above = LIMITS[path]
    assert refusals(within) == []
    assert [refusal.path for refusal in schema_refusals(above)] == [path]
