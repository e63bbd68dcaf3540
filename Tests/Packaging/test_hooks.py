"""The hooks for pre-commit, with the program under test in place of pre-commit."""

import re

import pytest
import yaml

from conftest import BINARY, ROOT, run

HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
ARGUMENTS = "verify --offline --allow-none --no-plaintext --".split()


def test_hooks_differ_in_their_language_alone():
    system, docker = HOOKS["secrets-bridge"], HOOKS["secrets-bridge-docker"]
    assert system["language"] == "system" and system["entry"].split() == ["secrets-bridge", *ARGUMENTS]
    image = f"ghcr.io/secrets-bridge/secrets-bridge:{run(BINARY, 'version').stdout.split()[1]}"
    assert docker["language"] == "docker_image" and docker["entry"].split() == [image, *ARGUMENTS]
    assert {key: value for key, value in system.items() if key not in ("id", "language", "entry", "description")} \
        == {key: value for key, value in docker.items() if key not in ("id", "language", "entry", "description")}


def test_hooks_have_the_fields_that_pre_commit_requires():
    for hook in HOOKS.values():
        assert {"id", "name", "entry", "language", "files"} <= set(hook)


@pytest.mark.parametrize("name,wanted", [("a/db.yaml", True), ("db.YML", True), ("db.json", True), ("db.yaml.bak", True), ("a.yaml/db.txt", False),
                                         ("yaml", False)])
def test_files(name, wanted):
    assert bool(re.search(HOOKS["secrets-bridge"]["files"], name)) is wanted


def test_a_hook_refuses_a_secret(tmp_path):
    (tmp_path / "db.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n")
    done = run(BINARY, *HOOKS["secrets-bridge"]["entry"].split()[1:], "db.yaml", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "is not encrypted" in done.stderr
