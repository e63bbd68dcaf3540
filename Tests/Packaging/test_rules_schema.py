"""The JSON schema for rules files accepts what the program accepts, and describes every field."""

import json
import re

import jsonschema
import pytest
import yaml

from conftest import BINARY, ROOT, run

SCHEMA = json.loads((ROOT / "schemas/rules.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
VECTORS = ROOT / "Tests/Vectors/rules"
REFUSAL = "error: .secrets-bridge.yaml:"
PAGE = (ROOT / "docs/rules.md").read_text()


def files(kind):
    found = sorted((VECTORS / kind).glob("*.yaml"))
    return pytest.mark.parametrize("path", found, ids=[path.stem for path in found])


def accepts(text):
    return VALIDATOR.is_valid(yaml.safe_load(text))


def verify(path, tmp_path):
    (tmp_path / ".secrets-bridge.yaml").write_bytes(path.read_bytes())
    (tmp_path / "db.yaml").write_text("apiVersion: secrets-bridge.io/v1alpha1\nkind: WrappedSecret\nmetadata: {name: a}\n"
                                      "spec: {format: v1, scope: strict, mac: '', recipients: []}\n")
    return run(BINARY, "verify", "--offline", "db.yaml", cwd=tmp_path, check=False).stderr


def test_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@files("valid")
def test_both_accept(path, tmp_path):
    assert accepts(path.read_text())
    assert REFUSAL not in verify(path, tmp_path)


@files("invalid")
def test_both_refuse(path, tmp_path):
    assert not accepts(path.read_text())
    assert REFUSAL in verify(path, tmp_path)


@files("refused")
def test_only_the_program_refuses(path, tmp_path):
    """What a schema cannot express, such as two patterns for the same files."""
    try:
        assert accepts(path.read_text())
    except yaml.composer.ComposerError:
        pass
    assert REFUSAL in verify(path, tmp_path)


def test_examples_of_the_page_are_valid(tmp_path):
    blocks = [block for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) if "rules:" in block]
    assert blocks
    for index, block in enumerate(blocks):
        assert accepts(block)
        path = tmp_path / f"{index}.yaml"
        path.write_text(block)
        assert REFUSAL not in verify(path, tmp_path)


def test_the_page_names_every_field_and_the_schema():
    fields = {name for part in (SCHEMA, *SCHEMA["$defs"].values()) for name in part["properties"]}
    section = PAGE.split("## Fields")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
    assert named == fields
    assert f"# yaml-language-server: $schema={SCHEMA['$id']}" in PAGE
