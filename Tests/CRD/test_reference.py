"""docs/reference.md has every field of the definition and no other, and docs/statuses.md every reason."""

import re

from crd import ROOT, SCHEMA

REFERENCE = (ROOT / "docs/reference.md").read_text()
STATUSES = (ROOT / "docs/statuses.md").read_text()


def fields(schema, path):
    """The schemas of an object and of what is below it, by path: spec.recipients[].keyID."""
    found = {path: schema}
    for name, child in schema.get("properties", {}).items():
        found |= fields(child, f"{path}.{name}")
    if "items" in schema:
        found |= {f"{path}[]{child[len(path):]}": value for child, value in fields(schema["items"], path).items() if child != path}
    return found


def defined():
    found = {}
    for root in ("spec", "status"):
        found |= fields(SCHEMA["properties"][root], root)
        del found[root]
    return found


def documented():
    """The lines of the tables that begin with a field, by field."""
    lines = re.findall(r"^\| `((?:spec|status)\.[\w.\[\]]+)` (\|.*)$", REFERENCE, re.MULTILINE)
    assert len({field for field, _ in lines}) == len(lines), "a field is documented twice"
    return dict(lines)


def test_the_reference_has_every_field():
    assert documented().keys() == defined().keys()


def test_the_reference_has_every_value_of_an_enumeration():
    lines = documented()
    missing = [(field, value) for field, schema in defined().items() for value in schema.get("enum", []) if f"`{value}`" not in lines[field]]
    assert missing == []


def test_the_reference_says_which_fields_are_required():
    lines, found = documented(), defined()
    required = {f"spec.{name}" for name in SCHEMA["properties"]["spec"]["required"]}
    for field, schema in found.items():
        items = schema.get("items", {})
        required |= {f"{field}[].{name}" for name in items.get("required", [])} | {f"{field}.{name}" for name in schema.get("required", [])}
    required = {field for field in required if field.startswith("spec.")}
    assert {field for field, line in lines.items() if "| required" in line} == required


def test_the_page_of_statuses_has_every_reason():
    (source,) = [path for path in (ROOT / "Sources").rglob("*.swift") if "enum Reason: String" in path.read_text()]
    reasons = set(re.findall(r'case \w+ = "([A-Z]\w+)"', source.read_text()))
    assert reasons and reasons <= set(re.findall(r"^\| `(\w+)` \|", STATUSES, re.MULTILINE))
