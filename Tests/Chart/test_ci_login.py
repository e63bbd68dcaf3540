"""The roles that docs/ci.md creates in Vault accept tokens of the named jobs and no others: on a real OpenBao, whose issuers are keys
of this test in place of GitHub and GitLab."""

import base64
import json
import os
import socket
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from chart import BINARY, ROOT
from conftest import eventually
from pages import blocks

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
AUDIENCE = "https://vault.example.com"
JOBS = {
    "github": {"iss": "https://token.actions.githubusercontent.com", "sub": "repo:example/deploy:ref:refs/heads/main", "aud": AUDIENCE,
               "repository_id": "123456789", "ref": "refs/heads/main"},
    "gitlab": {"iss": "https://gitlab.com", "sub": "project_path:example/deploy:ref_type:branch:ref:main", "aud": AUDIENCE,
               "project_id": "1234567", "ref": "main", "ref_type": "branch", "ref_protected": "true"},
}
OTHERS = [
    ("github", {"repository_id": "987654321"}), ("github", {"ref": "refs/heads/feature"}), ("github", {"ref": "refs/pull/7/merge"}),
    ("github", {"aud": "https://github.com/example"}), ("github", {"iss": "https://gitlab.com"}), ("github", {"exp": 1}),
    ("gitlab", {"project_id": "7654321"}), ("gitlab", {"ref": "feature"}), ("gitlab", {"ref_protected": "false"}), ("gitlab", {"ref_type": "tag"}),
]


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims, key=KEY):
    now = int(time.time())
    claims = {"iat": now, "nbf": now, "exp": now + 300, **claims}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    """Starts OpenBao and runs the commands of the pages, with the public key of this test in place of the discovery of an issuer."""
    folder = tmp_path_factory.mktemp("bao")
    program = subprocess.run([ROOT / "hack/openbao", "program"], capture_output=True, text=True, check=True).stdout.strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "BAO_ADDR": f"http://127.0.0.1:{port}", "BAO_TOKEN": "root"}
    server = subprocess.Popen(
        [program, "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def run(script):
            text = f'bao() {{ "{program}" "$@"; }}\nset -e\n{script}'
            return subprocess.run(["bash", "-c", text], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

        eventually("OpenBao runs", lambda: run("bao status").returncode == 0)
        public = folder / "key.pem"
        public.write_bytes(KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
        setup = [*blocks("docs/vault.md", "1. The key"), blocks("docs/vault.md", "2. Policies")[0],
                 "bao policy write sb-developer-payments manifests/vault/developer-payments.hcl", *blocks("docs/ci.md", "Vault")]
        for script in setup:
            for issuer in ("https://token.actions.githubusercontent.com", "https://gitlab.com"):
                script = script.replace(f"oidc_discovery_url={issuer}", f"jwt_validation_pubkeys=@{public}")
            done = run(script)
            assert done.returncode == 0, done.stderr
        yield environment["BAO_ADDR"], folder
    finally:
        server.terminate()
        server.wait()


def wrap(bao, mount, token, namespace="payments", command="wrap"):
    address, folder = bao
    (folder / "id-token").write_text(token)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": address,
        "SB_KMS_VAULT_KEY": "sb-wrap", "SB_KMS_VAULT_AUTH": "jwt", "SB_KMS_VAULT_AUTH_MOUNT": mount, "SB_KMS_VAULT_ROLE": "wrap-payments",
        "SB_KMS_VAULT_JWT_FILE": str(folder / "id-token")}
    arguments = ["wrap", "-n", namespace, "--name=db", "--from-literal=k=v"] if command == "wrap" else [command, "-f", str(folder / "wrapped.yaml")]
    return subprocess.run([BINARY, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mount", JOBS)
def test_the_job_wraps_for_its_namespace_and_cannot_decrypt(bao, mount):
    done = wrap(bao, mount, signed(JOBS[mount]))
    assert done.returncode == 0, done.stderr
    (bao[1] / "wrapped.yaml").write_text(done.stdout)
    assert wrap(bao, mount, signed(JOBS[mount]), namespace="shop").returncode == 1
    refused = wrap(bao, mount, signed(JOBS[mount]), command="unwrap")
    assert refused.returncode == 1 and "transit/decrypt/sb-wrap" in refused.stderr


@pytest.mark.parametrize("mount,change", OTHERS)
def test_another_job_does_not_log_in(bao, mount, change):
    done = wrap(bao, mount, signed({**JOBS[mount], **change}))
    assert done.returncode == 1 and "refuses the login" in done.stderr, done.stderr


def test_a_token_of_another_signer_does_not_log_in(bao):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert wrap(bao, "github", signed(JOBS["github"], other)).returncode == 1


def test_the_page_shows_the_settings_of_the_job():
    page = (ROOT / "docs/ci.md").read_text()
    for mount in JOBS:
        assert f"SB_KMS_VAULT_AUTH_MOUNT: {mount}\n" in page
    assert page.count("SB_KMS_VAULT_ROLE: wrap-payments\n") == 2 and f"aud: {AUDIENCE}\n" in page and f"&audience={AUDIENCE}\"" in page
