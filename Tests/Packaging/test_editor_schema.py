"""What wrap writes is valid by the schema that editors read."""

import json

import jsonschema
import pytest
import yaml

from conftest import BINARY, ROOT, run

SCHEMA = json.loads((ROOT / "schemas/wrappedsecret_v1alpha1.json").read_text())
ENVIRONMENT = {"SB_KMS_BACKEND": "local", "SB_ENV": "dev", "SB_WRAP_MASTER_KEY": "A" * 43 + "="}
OPTIONS = {
    "the smallest": ["--from-literal=k=v"],
    "a type": ["--from-literal=username=u", "--type=kubernetes.io/basic-auth"],
    "scope namespace": ["--from-literal=k=v", "--scope=namespace"],
    "many entries": [f"--from-literal=k{number}={'v' * number}" for number in range(40)],
}
MANIFEST = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "payments", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "immutable": True, "type": "Opaque", "stringData": {"k": "v"}}


def errors(value):
    return [error.message for error in jsonschema.Draft7Validator(SCHEMA).iter_errors(value)]


@pytest.mark.parametrize("options", OPTIONS)
def test_wrap_of_literals(options, tmp_path):
    done = run(BINARY, "wrap", "-n", "payments", "--name=db", *OPTIONS[options], cwd=tmp_path, env=ENVIRONMENT)
    assert errors(yaml.safe_load(done.stdout)) == []


def test_wrap_of_a_manifest(tmp_path):
    done = run(BINARY, "wrap", "-f", "-", input=json.dumps(MANIFEST), cwd=tmp_path, env=ENVIRONMENT)
    value = yaml.safe_load(done.stdout)
    assert value["spec"]["template"]["metadata"]["labels"] == {"a": "b"}
    assert errors(value) == []


def test_a_mistyped_field_is_an_error(tmp_path):
    done = run(BINARY, "wrap", "-f", "-", input=json.dumps(MANIFEST), cwd=tmp_path, env=ENVIRONMENT)
    value = yaml.safe_load(done.stdout)
    value["spec"]["creationpolicy"] = "Orphan"
    assert errors(value) == ["Additional properties are not allowed ('creationpolicy' was unexpected)"]
