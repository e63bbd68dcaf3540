#!/usr/bin/env python3
"""Writes a JSON Schema (draft 7) for each custom resource, for editors (yaml-language-server) and kubeconform, from its CRD.

    hack/lib/json_schemas.py            writes schemas/KIND_VERSION.json, the names that kubeconform asks for
    hack/lib/json_schemas.py --check    exits with 1 if one is out of date

Unlike the API server's own schema it refuses unknown fields, which the API server drops, and apiVersion and kind of another
resource. It has no CEL rules: JSON Schema cannot express them.
"""

import json
import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "schemas"
BASE = "https://raw.githubusercontent.com/secrets-bridge/secrets-bridge/main/schemas"
# Keywords of OpenAPI that are those of JSON Schema.
KEPT = {
    "description", "type", "required", "enum", "default", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "uniqueItems", "minProperties", "maxProperties",
}
INTEGERS = {"int32": 2**31, "int64": 2**63}


def converted(schema):
    """Returns an OpenAPI schema as JSON Schema. Raises an error for a keyword that this function does not know."""
    new = {}
    for keyword, value in schema.items():
        if keyword in KEPT:
            new[keyword] = value
        elif keyword == "properties":
            new[keyword] = {name: converted(child) for name, child in value.items()}
        elif keyword == "items" or (keyword == "additionalProperties" and isinstance(value, dict)):
            new[keyword] = converted(value)
        elif keyword == "format" and value in INTEGERS:
            new.setdefault("minimum", -INTEGERS[value])
            new.setdefault("maximum", INTEGERS[value] - 1)
        elif keyword == "format" and value == "date-time":
            new[keyword] = value
        elif not keyword.startswith("x-kubernetes-"):
            sys.exit(f"error: the keyword {keyword}: {value} is unknown; add it to converted() in hack/lib/json_schemas.py")
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        new["additionalProperties"] = False
    return new


def document(definition, version):
    """Returns the schema of a version of a CRD."""
    group, kind = definition["spec"]["group"], definition["spec"]["names"]["kind"]
    schema = converted(version["schema"]["openAPIV3Schema"])
    properties = schema["properties"]
    properties["apiVersion"] = {"const": f"{group}/{version['name']}"}
    properties["kind"] = {"const": kind}
    # Its fields are those of Kubernetes.
    properties["metadata"] = {"type": "object"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{BASE}/{name_of(definition, version)}",
        "title": kind,
        **schema,
        "required": ["apiVersion", "kind", "metadata", *schema["required"]],
    }


def name_of(definition, version):
    return f"{definition['spec']['names']['kind'].lower()}_{version['name']}.json"


# KIND_VERSION.json; rules.json describes no resource.
GENERATED = "*_v*.json"


def documents():
    """Returns the text of each file by its name."""
    found = {}
    for path in sorted((ROOT / "manifests/crds").glob("*.yaml")):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
        for version in definition["spec"]["versions"]:
            found[name_of(definition, version)] = json.dumps(document(definition, version), indent=2, ensure_ascii=False) + "\n"
    return found


def main():
    wanted = documents()
    if sys.argv[1:] == ["--check"]:
        there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob(GENERATED)}
        stale = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
        if stale:
            sys.exit(f"error: schemas/{', '.join(stale)} differ from manifests/crds: run hack/lib/json_schemas.py")
        return
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob(GENERATED):
        path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
