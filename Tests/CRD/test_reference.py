"""docs/reference.md has every field of the definitions and no other, docs/statuses.md and docs/tenancy.md every reason."""

import re

import pytest

from crd import ROOT, SCHEMAS

REFERENCE = (ROOT / "docs/reference.md").read_text()
STATUSES = (ROOT / "docs/statuses.md").read_text()
TENANCY = (ROOT / "docs/tenancy.md").read_text()
PROVIDERS = ["ClusterKeyProvider", "KeyProvider"]
KINDS = ["WrappedSecret", *PROVIDERS]


def section(title, text=REFERENCE):
    """Returns a section of a page, up to the next heading of its level or above."""
    level = title.split(" ")[0]
    return re.search(rf"^{title}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def page(kind):
    """Returns the part of the reference that has the tables of a kind."""
    return section(f"### {kind}") if kind in PROVIDERS else REFERENCE.replace(section("## Providers"), "")


def fields(schema, path):
    """The schemas of an object and of what is below it, by path: spec.recipients[].keyID."""
    found = {path: schema}
    for name, child in schema.get("properties", {}).items():
        found |= fields(child, f"{path}.{name}")
    if "items" in schema:
        found |= {f"{path}[]{child[len(path):]}": value for child, value in fields(schema["items"], path).items() if child != path}
    return found


def defined(kind):
    """The fields of a kind. Text describes the status of providers."""
    found = {}
    for root in ("spec",) if kind in PROVIDERS else ("spec", "status"):
        found |= fields(SCHEMAS[kind]["properties"][root], root)
        del found[root]
    return found


def documented(kind):
    """The lines of the tables that begin with a field, by field."""
    lines = re.findall(r"^\| `((?:spec|status)\.[\w.\[\]]+)` (\|.*)$", page(kind), re.MULTILINE)
    assert len({field for field, _ in lines}) == len(lines), "a field is documented twice"
    return dict(lines)


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_has_every_field(kind):
    assert documented(kind).keys() == defined(kind).keys()


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_has_every_value_of_an_enumeration(kind):
    lines = documented(kind)
    missing = [(field, value) for field, schema in defined(kind).items() for value in schema.get("enum", []) if f"`{value}`" not in lines[field]]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_says_which_fields_are_required(kind):
    lines, found = documented(kind), defined(kind)
    required = {f"spec.{name}" for name in SCHEMAS[kind]["properties"]["spec"].get("required", [])}
    for field, schema in found.items():
        items = schema.get("items", {})
        required |= {f"{field}[].{name}" for name in items.get("required", [])} | {f"{field}.{name}" for name in schema.get("required", [])}
    required = {field for field in required if field.startswith("spec.")}
    assert {field for field, line in lines.items() if "| required" in line} == required


def type_name(schema):
    if "additionalProperties" in schema:
        return f"map of {type_name(schema['additionalProperties'])}s"
    if "items" in schema:
        return f"list of {type_name(schema['items'])}s"
    return ", ".join(f"`{value}`" for value in schema["enum"]) if "enum" in schema else schema["type"]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_reference_has_the_types_of_providers(kind):
    types = {field: line.split("|")[1].strip() for field, line in documented(kind).items()}
    assert types == {field: type_name(schema) for field, schema in defined(kind).items()}


def test_the_reference_describes_the_status_of_providers():
    for name in SCHEMAS["KeyProvider"]["properties"]["status"]["properties"]:
        assert f"`status.{name}`" in section("## Providers")


def reasons(enumeration):
    (source,) = [path for path in (ROOT / "Sources").rglob("*.swift") if f"enum {enumeration}: String" in path.read_text()]
    _, _, rest = source.read_text().partition(f"enum {enumeration}: String")
    found = set(re.findall(r'case \w+ = "([A-Z]\w+)"', rest.partition("\n}")[0]))
    assert found
    return found


def test_the_page_of_statuses_has_every_reason():
    assert reasons("Reason") <= set(re.findall(r"^\| `(\w+)` \|", STATUSES, re.MULTILINE))


def test_the_page_of_tenancy_has_the_reasons_of_providers():
    table = TENANCY.partition("| reason of a provider |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert set(listed) == reasons("KeyProviderReason") and len(set(listed)) == len(listed)


def test_the_page_of_statuses_has_the_reasons_that_providers_share():
    """Providers report some of their reasons to WrappedSecrets. The page of statuses links to the others."""
    assert {"ProviderNotFound", "ProviderNotAllowed"} <= reasons("Reason") & reasons("KeyProviderReason")
    assert "tenancy.md#changes-failures-and-limits" in STATUSES
