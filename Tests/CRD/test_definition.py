"""The cases of Tests/Vectors/crd against the definition's schema and rules, evaluated by Python, because old API servers drop CEL."""

import copy

import pytest

from crd import CASES, SCHEMA, rule_refusals, rules, schema_refusals


def refusals(value, old=None):
    """Applies the schema first, and rules only to what passed it, as the server does."""
    return schema_refusals(value) or rule_refusals(value, old)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    assert set(case) <= {"name", "old", "object", "expect", "by", "path", "message"}
    if "old" in case:
        assert refusals(case["old"]) == [], "the object before the update is itself refused"
    found = {
        "schema": schema_refusals(case["object"]),
        "rule": rule_refusals(case["object"], case.get("old")) if not schema_refusals(case["object"]) else [],
    }
    if case["expect"] == "ok" or case["by"] == "code":
        assert found == {"schema": [], "rule": []}
        return
    assert case["expect"] == "error"
    other = {"schema": "rule", "rule": "schema"}[case["by"]]
    assert found[other] == []
    assert {refusal.path for refusal in found[case["by"]]} == {case["path"]}
    assert all(case.get("message", "") in refusal.message for refusal in found[case["by"]])


def test_every_rule_is_seen_to_refuse_and_to_pass():
    """Ensures that no rule looks tested because another rule rejects its case."""
    refused = {
        (refusal.path, refusal.message)
        for case in CASES
        if not schema_refusals(case["object"])
        for refusal in rule_refusals(case["object"], case.get("old"))
    }
    everything = {(".".join(path), entry["message"]) for path, entry in rules()}
    assert refused == everything


def test_every_rule_has_a_message_of_one_line():
    for _, entry in rules():
        assert entry["message"] and "\n" not in entry["message"]
        # For FieldValueDuplicate, the API server prints the value instead of the message (field.Error.ErrorBody).
        assert entry.get("reason", "FieldValueInvalid") in {
            "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired",
        }


def test_no_field_of_spec_has_a_default():
    """A default would be a permanent difference between Git and the stored object."""

    def check(schema):
        assert "default" not in schema
        for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
            if isinstance(child, dict):
                check(child)

    check(SCHEMA["properties"]["spec"])
    assert SCHEMA["properties"]["status"]["default"] == {"observedGeneration": -1}


def limits():
    """Tests sizes that are too large for the file of cases: one at the limit, and one above it."""
    base = CASES[0]["object"]

    def changed(**fields):
        value = copy.deepcopy(base)
        value["spec"].update(fields)
        return value

    def keyed(key):
        return [{"keyID": "local:a", "wrappedKey": key}]

    value = "A" * 40
    return {
        "spec.recipients[0].wrappedKey": (changed(recipients=keyed("a" * 8192)), changed(recipients=keyed("a" * 8193))),
        "spec.data": (changed(data={f"e{i}": value for i in range(1024)}), changed(data={f"e{i}": value for i in range(1025)})),
        "spec.data.e": (changed(data={"e": "A" * 1398144}), changed(data={"e": "A" * 1398148})),
        "spec.template.metadata.annotations.a": (
            changed(template={"metadata": {"annotations": {"a": "x" * 65536}}}),
            changed(template={"metadata": {"annotations": {"a": "x" * 65537}}}),
        ),
        "spec.template.metadata.labels": (
            changed(template={"metadata": {"labels": {f"l{i}": "" for i in range(64)}}}),
            changed(template={"metadata": {"labels": {f"l{i}": "" for i in range(65)}}}),
        ),
    }


@pytest.mark.parametrize("path", limits())
def test_limit(path):
    within, above = limits()[path]
    assert refusals(within) == []
    assert [refusal.path for refusal in schema_refusals(above)] == [path]
