"""Reads the WrappedSecret definition: its OpenAPI schema, and its CEL rules with their paths."""

import pathlib
from dataclasses import dataclass

import celpy
import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFINITION = yaml.safe_load((ROOT / "manifests/crds/wrappedsecrets.yaml").read_text())
VERSION = DEFINITION["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
CASES = yaml.safe_load((ROOT / "Tests/Vectors/crd/cases.yaml").read_text())


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
    for error in Validator(SCHEMA).iter_errors(value):
        parts = list(error.absolute_path)
        if error.validator == "required":
            parts += [name for name in error.validator_value if name not in error.instance][:1]
        refusals.append(Refusal(dotted(parts), error.message))
    return refusals


ENVIRONMENT = celpy.Environment()
PROGRAMS = {}


def evaluate(rule, variables):
    if rule not in PROGRAMS:
        PROGRAMS[rule] = ENVIRONMENT.program(ENVIRONMENT.compile(rule))
    return bool(PROGRAMS[rule].evaluate({name: celpy.json_to_cel(value) for name, value in variables.items()}))


def rules(schema=SCHEMA, path=()):
    """Yields every rule of the definition with its path."""
    for entry in schema.get("x-kubernetes-validations", []):
        yield path, entry
    for name, child in schema.get("properties", {}).items():
        yield from rules(child, (*path, name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from rules(schema[keyword], (*path, "*"))


def rule_refusals(value, old=None, schema=SCHEMA, path=()):
    """Returns the violations of the rules. As on the server, a rule with oldSelf runs only on an update."""
    refusals = []
    for entry in schema.get("x-kubernetes-validations", []):
        if "oldSelf" in entry["rule"]:
            if old is None:
                continue
            holds = evaluate(entry["rule"], {"self": value, "oldSelf": old})
        else:
            holds = evaluate(entry["rule"], {"self": value})
        if not holds:
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
            # The list's type determines the old item to compare with; no rule of the definition needs it.
            refusals += rule_refusals(item, None, schema["items"], (*path, index))
    return refusals
