"""The JSON schemas in schemas/ against the cases of the CRDs, what the controller left on objects, and manifests of the pages."""

import copy
import json
import re

import jsonschema
import pytest
import yaml

from crd import CASES, DEFINITIONS, ROOT, dotted, pattern

FOLDER = ROOT / "schemas"
SCHEMAS = {schema["title"]: schema for schema in (json.loads(path.read_text()) for path in FOLDER.glob("*_v*.json"))}
# The patterns mean in editors (ECMA-262) and in kubeconform (Go) that $ is the end alone, other than in Python.
Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": pattern})
RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "Tests/Chart/recorded").glob("*.json"))}


def refusals(value):
    """Returns the paths of what the schema of the value's kind refuses."""
    found = set()
    for error in Validator(SCHEMAS[value["kind"]]).iter_errors(value):
        parts = list(error.absolute_path)
        if error.validator == "required":
            parts += [name for name in error.validator_value if name not in error.instance][:1]
        found.add(dotted(parts))
    return found


def test_files_have_the_names_that_kubeconform_asks_for():
    """-schema-location '.../schemas/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json'; kubeconform writes the kind in lower case."""
    wanted = {
        f"{definition['spec']['names']['kind'].lower()}_{version['name']}.json"
        for definition in DEFINITIONS.values() for version in definition["spec"]["versions"]}
    assert {path.name for path in FOLDER.glob("*_v*.json")} == wanted
    for path in FOLDER.glob("*_v*.json"):
        assert json.loads(path.read_text())["$id"].endswith(f"/main/schemas/{path.name}")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_is_a_schema(kind):
    jsonschema.Draft7Validator.check_schema(SCHEMAS[kind])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    found = refusals(case["object"])
    if case["expect"] == "error" and case["by"] == "schema":
        # An unknown field beside is another refusal.
        assert case["path"] in found
    else:
        assert found == set()


@pytest.mark.parametrize("name", RECORDED)
def test_objects_of_the_controller_are_valid(name):
    assert refusals(RECORDED[name]) == set()


def unknown_fields(value, path=()):
    """Yields copies of a value with an unknown field in each map that has named fields."""
    schema = SCHEMAS[value["kind"]]
    for name in path:
        schema = schema["items"] if isinstance(name, int) else schema["properties"][name]
    place = value
    for name in path:
        place = place[name]
    if "properties" in schema:
        changed = copy.deepcopy(value)
        inner = changed
        for name in path:
            inner = inner[name]
        inner["mispelt"] = {}
        yield path, changed
        for name in place:
            yield from unknown_fields(value, (*path, name))
    elif isinstance(place, list):
        for index in range(len(place)):
            yield from unknown_fields(value, (*path, index))


@pytest.mark.parametrize("case", [case for case in CASES if case["expect"] == "ok"][:3], ids=lambda case: case["name"])
def test_unknown_fields_are_refused(case):
    """The API server drops them, so that a mistyped field would be lost."""
    count = 0
    for path, changed in unknown_fields(case["object"]):
        assert dotted(path) in refusals(changed), path
        count += 1
    assert count >= 3


@pytest.mark.parametrize("change", [{"apiVersion": "secrets-bridge.io/v1"}, {"kind": "Wrapped"}, {"metadata": None}])
def test_another_resource_is_refused(change):
    value = {**RECORDED["Synced"], **change}
    assert list(Validator(SCHEMAS["WrappedSecret"]).iter_errors(value))


def manifests():
    """Yields the custom resources of pages, the chart's annotations and manifests/."""
    for page in sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]):
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            if "secrets-bridge.io/v1alpha1" in block and "…" not in block:
                yield page.name, yaml.safe_load_all(block)
    for path in sorted((ROOT / "manifests").rglob("*.yaml")):
        if "secrets-bridge.io/v1alpha1" in path.read_text():
            yield path.name, yaml.safe_load_all(path.read_text())
    chart = yaml.safe_load((ROOT / "charts/secrets-bridge/Chart.yaml").read_text())
    yield "Chart.yaml", yaml.safe_load(chart["annotations"]["artifacthub.io/crdsExamples"])


def test_manifests_of_the_pages_are_valid():
    checked = []
    for place, documents in manifests():
        for value in documents:
            if isinstance(value, dict) and value.get("kind") in SCHEMAS and value.get("apiVersion", "").startswith("secrets-bridge.io/"):
                assert refusals(value) == set(), place
                checked.append(value["kind"])
    assert set(checked) == set(SCHEMAS)
