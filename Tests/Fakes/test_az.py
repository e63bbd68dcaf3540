"""The commands of docs/azure-key-vault.md run against the fake, by hack/lib/az.py, which rejects what it does not know."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Clients"))

import azure_fake  # noqa: E402

TENANT, USER = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-0000-0000-0000-000000000002"
ISSUER = "https://issuer.example.com"
SCRIPT = """
    . hack/lib/common.sh
    az() { "$PYTHON" -B hack/lib/az.py "$@"; }
    kubectl() { :; }
    export -f az kubectl
"""


@pytest.fixture
def server():
    with azure_fake.running() as fake:
        yield fake


def run(server, script):
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "AZ_FOLDER": server.folder, "AZ_TENANT_ID": TENANT,
        "AZ_CLIENT_ID": USER, "AZ_ISSUER": ISSUER,
    }  # fmt: skip
    words = ["bash", "-euo", "pipefail", "-c", SCRIPT + script]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_page_creates_key_roles_and_identity(server):
    result = run(server, 'bash -euo pipefail -c "$(commands_of docs/azure-key-vault.md 1 2 AKS)"')
    assert result.returncode == 0, result.stderr
    roles, identities = json.loads(pathlib.Path(server.folder, "az.json").read_text())
    assert roles["Secrets Bridge Controller"] == ["unwrapKey"]
    assert roles["Secrets Bridge Developer"] == ["wrapKey"]
    assert sorted(roles["Secrets Bridge Rotator"]) == ["unwrapKey", "wrapKey"]
    assert list(identities) == ["secrets-bridge"]
    shown = run(server, "az keyvault key show --vault-name payments --name sb-wrap --query key.kid --output tsv")
    assert shown.stdout.startswith(f"{server.vault('payments')}/keys/sb-wrap/")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("keyvault key create --vault-name payments --name k --kty RSA --size 3072", "--ops"),
        ("keyvault key backup --vault-name payments --name k", "invalid choice: 'backup'"),
        ("keyvault key show --vault-name payments --name k --speed fast", "unrecognized arguments: --speed fast"),
        ("role assignment create --role Owner --scope /subscriptions/0 --assignee x", "no role Owner"),
    ],
)
def test_unknown_commands_and_missing_flags_are_errors(server, command, problem):
    result = run(server, f"az {command}")
    assert result.returncode != 0
    assert problem in result.stderr
    assert result.stdout == ""
