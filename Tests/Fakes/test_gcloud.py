"""The commands of docs/gcp-kms.md run against the fake, by hack/lib/gcloud.py, which rejects what it does not know."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Clients"))

from gcp_fake import PROVIDER, RING, GCPServer  # noqa: E402

ISSUER = "https://issuer.example.com"
SCRIPT = """
    . hack/lib/common.sh
    gcloud() { "$PYTHON" -B hack/lib/gcloud.py "$@"; }
    kubectl() {
        case "$*" in
            *jwks) printf '{"keys": []}' ;;
            *openid-configuration) printf '{"issuer":"%s"}' "$ISSUER" ;;
        esac
    }
    export -f gcloud kubectl
    cd "$1" && shift
    ln -s "$ROOT/hack" hack
"""


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    server = GCPServer(folder)
    yield server
    server.close()


def run(server, tmp_path, script):
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "GCP_SERVER": server.url, "ISSUER": ISSUER, "ROOT": str(ROOT),
        "GCP_TOKEN_FILE": os.path.join(server.folder, "admin-token"),
    }  # fmt: skip
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    (folder / "hack").unlink(missing_ok=True)
    words = ["bash", "-euo", "pipefail", "-c", SCRIPT + script, "bash", str(folder)]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_page_creates_key_roles_and_provider(server, tmp_path):
    page = 'bash -euo pipefail -c "$(commands_of "$ROOT/docs/gcp-kms.md" 1 2 GKE Impersonation Federation)"'
    result = run(server, tmp_path, page)
    assert result.returncode == 0, result.stderr
    policy = server.admin("GET", f"{RING}/cryptoKeys/sb-wrap:getIamPolicy")
    members = {binding["role"]: binding["members"] for binding in policy["bindings"]}
    assert members["roles/cloudkms.cryptoKeyEncrypter"] == ["group:developers@example.com"]
    assert members["roles/cloudkms.cryptoKeyEncrypterDecrypter"] == ["group:rotators@example.com"]
    decrypters = members["roles/cloudkms.cryptoKeyDecrypter"]
    assert [member.partition(":")[0] for member in decrypters] == ["principal", "principal", "serviceAccount"]
    pool = PROVIDER.rpartition("/providers/")[0].removeprefix("//")
    assert f"principal://{pool}/subject/system:serviceaccount:secrets-bridge:secrets-bridge" in decrypters
    assert server.admin("GET", f"{RING}/cryptoKeys/sb-wrap")["primary"]["state"] == "ENABLED"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("kms keys create k --keyring=r --location=l", "--purpose"),
        ("kms keys create k --keyring=r --location=l --purpose=asymmetric-signing", "--purpose has to be encryption"),
        ("kms keys create k --keyring=r --location=l --purpose=encryption --rotation-period=90d", "--next-rotation-time"),
        ("kms keys create k --keyring=r --location=l --purpose=encryption --speed=fast", "unrecognized arguments: --speed=fast"),
        ("kms keys list --keyring=r --location=l", "invalid choice: 'list'"),
        ("kms keys describe k --keyring=r --location=l", "not found"),
    ],
)
def test_unknown_commands_and_missing_flags_are_errors(server, tmp_path, command, problem):
    result = run(server, tmp_path, f"gcloud {command}")
    assert result.returncode != 0
    assert problem in result.stderr
    assert result.stdout == ""


def test_a_credential_configuration_names_this_server(server, tmp_path):
    provider = PROVIDER.removeprefix("//iam.googleapis.com/")
    command = f"gcloud iam workload-identity-pools create-cred-config {provider} --credential-source-file=/token --output-file=c.json"
    assert run(server, tmp_path, command).returncode == 0
    content = json.loads((tmp_path / "work/c.json").read_text())
    assert content["audience"] == PROVIDER
    assert content["token_url"] == f"{server.url}/v1/token"
    assert content["credential_source"] == {"file": "/token", "format": {"type": "text"}}
