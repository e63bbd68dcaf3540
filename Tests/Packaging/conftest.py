"""Installs the build under test ($SB_TEST_BINARY) with hack/cli."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack/lib"))
from manual import flattened
BINARY = os.environ["SB_TEST_BINARY"]


def run(*command, check=True, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "usr"
    run(ROOT / "hack/cli", "--prefix", folder, "--binary", BINARY)
    return folder


@pytest.fixture(scope="session")
def commands():
    """Returns the help of each command by name; the program's own under its name."""
    program = json.loads(run(BINARY, "--experimental-dump-help").stdout)["command"]
    everyone = [program, *flattened(program["subcommands"])]
    return {command["commandName"]: command for command in everyone if command["commandName"] != "help"}
