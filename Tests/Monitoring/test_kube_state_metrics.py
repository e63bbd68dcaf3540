"""The configuration for kube-state-metrics: each path is a field of the CRD, and leads to a value of a recorded object."""

import datetime
import json
import pathlib

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESOURCES = {
    found["groupVersionKind"]["kind"]: found
    for found in yaml.safe_load((ROOT / "manifests/monitoring/kube-state-metrics.yaml").read_text())["spec"]["resources"]}
DEFINITIONS = {
    definition["spec"]["names"]["kind"]: definition
    for definition in (yaml.safe_load(path.read_text()) for path in (ROOT / "manifests/crds").glob("*.yaml"))}
RECORDED = [json.loads(path.read_text()) for path in sorted((ROOT / "Tests/Chart/recorded").glob("*.json"))]
METADATA = {"name", "namespace", "generation"}
# Fields that no recorded object has.
UNRECORDED = {"spec.creationPolicy"}


def each(resource):
    for metric in resource["metrics"]:
        kind = metric["each"]["type"]
        yield metric, metric["each"][kind.lower()]


def schema_at(kind, path):
    """Returns the schema of a field of the CRD; items of a list have no name in a path."""
    schema = DEFINITIONS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        if schema.get("type") == "array":
            schema = schema["items"]
        if path[0] == "metadata":
            return {"type": "string"} if name in METADATA else schema if name == "metadata" else pytest.fail(f"metadata.{name}")
        schema = schema["properties"][name]
    return schema


def values_at(value, path):
    """Returns the values that kube-state-metrics finds: those of each item of a list."""
    if isinstance(value, list):
        return [found for item in value for found in values_at(item, path)]
    if not path:
        return [value]
    return values_at(value[path[0]], path[1:]) if path[0] in value else []


def number(value):
    """Converts as kube-state-metrics does (docs/metrics/extend/customresourcestate-metrics.md)."""
    if isinstance(value, (bool, int, float)):
        return float(value)
    if value.lower() in ("true", "yes", "false", "no", "unknown"):
        return float(value.lower() in ("true", "yes"))
    return datetime.datetime.fromisoformat(value).timestamp()


def paths(resource):
    yield from resource["labelsFromPath"].values()
    for _, how in each(resource):
        base = how.get("path", [])
        yield base
        for path in [*how.get("labelsFromPath", {}).values(), how.get("valueFrom", [])]:
            yield [*base, *path]


def test_every_resource_is_configured():
    assert set(RESOURCES) == set(DEFINITIONS)
    for kind, resource in RESOURCES.items():
        definition = DEFINITIONS[kind]["spec"]
        assert resource["groupVersionKind"] == {"group": definition["group"], "version": definition["versions"][0]["name"], "kind": kind}
        assert resource["metricNamePrefix"] == f"kube_{kind.lower()}"
        assert ("namespace" in resource["labelsFromPath"]) is (definition["scope"] == "Namespaced")


@pytest.mark.parametrize("kind", RESOURCES)
def test_every_path_is_a_field(kind):
    for path in paths(RESOURCES[kind]):
        assert schema_at(kind, path), path


def test_every_path_of_a_wrapped_secret_leads_to_a_recorded_value():
    missing = {".".join(path) for path in paths(RESOURCES["WrappedSecret"]) if path and not any(values_at(found, path) for found in RECORDED)}
    assert missing <= UNRECORDED | {"spec.keyRef.kind", "spec.keyRef.name"}


def test_every_gauge_is_a_number():
    count = 0
    for metric, how in each(RESOURCES["WrappedSecret"]):
        if metric["each"]["type"] == "Gauge":
            found = [number(value) for record in RECORDED for value in values_at(record, [*how["path"], *how.get("valueFrom", [])])]
            assert found or how.get("nilIsZero"), metric["name"]
            count += len(found)
    assert count > 100


def test_a_failure_is_a_series_that_names_its_object():
    """Evaluates the metric of conditions for a recorded object, as the query in docs/operating.md selects it."""
    (how,) = (how for metric, how in each(RESOURCES["WrappedSecret"]) if metric["name"] == "status_condition")
    record = next(found for found in RECORDED if found["status"].get("conditions", [{}])[0].get("reason") == "KeyUnavailable")
    series = {
        tuple(condition[path[0]] for path in how["labelsFromPath"].values()): number(condition[how["valueFrom"][0]])
        for condition in values_at(record, how["path"])}
    assert series[("Ready", "KeyUnavailable")] == 0 and series[("Reconciling", "KeyUnavailable")] == 1
