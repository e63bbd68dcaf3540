"""The program and the clouds' own clients for Python, on the same servers: what one wraps the other unwraps. Tests/Clients has
the Python side, with an independent implementation of the envelope. Needs SB_TEST_BINARY."""

import base64
import json
import os
import pathlib
import secrets
import subprocess
import sys
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Clients"))

import azure_fake  # noqa: E402
from gcp_fake import POOL, PROVIDER, RING, GCPServer  # noqa: E402

BINARY = os.environ.get("SB_TEST_BINARY")
pytestmark = pytest.mark.skipif(not BINARY, reason="SB_TEST_BINARY is not set")
TENANT = "11111111-2222-3333-4444-555555555555"
BASE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}


class GCP:
    backend, client = "gcp-kms", "gcp"

    def __init__(self, folder):
        self.server = GCPServer(folder)
        self.key = f"{RING}/cryptoKeys/sb-wrap"
        self.server.control("key", key=self.key)
        self.email = "rotator@example-project.iam.gserviceaccount.com"
        self.file = folder / "rotator.json"
        self.file.write_text(json.dumps(self.server.control("service-account", email=self.email)))
        self.grant(f"serviceAccount:{self.email}", "cloudkms.cryptoKeyEncrypterDecrypter")
        self.settings = {
            "SB_KMS_BACKEND": self.backend,
            "SB_KMS_GCP_KEY": self.key,
            "SB_KMS_GCP_ENDPOINT": self.server.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.file),
            "NO_GCE_CHECK": "true",
        }

    def grant(self, member, role):
        self.server.control("grant", resource=self.key, member=member, role=role)

    def rotate(self):
        self.server.control("rotate", key=self.key)

    def disable_first(self):
        self.server.control("version", key=self.key, version="1", state="DISABLED")

    def fail(self, status, **more):
        self.server.control("fail", service="kms", operation="decrypt", status=status, **more)

    def statuses(self):
        return [line["status"] for line in self.server.requests() if line["operation"] in ("encrypt", "decrypt")]

    def close(self):
        self.server.close()


class Azure:
    backend, client = "azure-key-vault", "azure"

    def __init__(self, folder):
        self.context = azure_fake.running()
        self.server = self.context.__enter__()
        self.server.do("vault", name="payments", tenant=TENANT)
        self.first = self.server.do("key", vault="payments", name="sb-wrap")["kid"]
        application, secret = "aaaaaaaa-0000-0000-0000-000000000001", secrets.token_hex(16)
        self.server.do("app", client_id=application, tenant=TENANT, secret=secret)
        self.server.do("grant", client_id=application, vault="payments", operations=["wrapKey", "unwrapKey", "getKey"])
        self.settings = {
            "SB_KMS_BACKEND": self.backend,
            "SB_KMS_AZURE_VAULT_URL": self.server.vault("payments"),
            "SB_KMS_AZURE_KEY": "sb-wrap",
            "SB_KMS_AZURE_CACERT": self.server.ca,
            "REQUESTS_CA_BUNDLE": self.server.ca,
            "AZURE_AUTHORITY_HOST": self.server.authority,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": application,
            "AZURE_CLIENT_SECRET": secret,
        }

    def rotate(self):
        self.server.do("rotate", vault="payments", name="sb-wrap")

    def disable_first(self):
        self.server.do("update", vault="payments", name="sb-wrap", version=self.first.rpartition("/")[2], enabled=False)

    def fail(self, status, times=1, retry_after=None):
        headers = {"Retry-After": str(retry_after)} if retry_after else None
        self.server.do("fault", on="unwrapKey", status=status, count=times, headers=headers)

    def statuses(self):
        """Leaves the challenge of the first request out."""
        requests = self.server.requests(service="vault")
        return [entry["status"] for entry in requests if entry["client_id"] or entry["status"] != 401]

    def close(self):
        self.context.__exit__(None, None, None)


@pytest.fixture(params=[GCP, Azure], ids=["gcp", "azure"])
def cloud(request, tmp_path):
    cloud = request.param(tmp_path)
    yield cloud
    cloud.close()


def program(cloud, *words, check=True, settings=None, cwd=None):
    environment = BASE | cloud.settings | (settings or {})
    result = subprocess.run([BINARY, *words], capture_output=True, text=True, env=environment, timeout=60, check=False, cwd=cwd)
    assert not check or result.returncode == 0, result.stderr
    return result


def wrap(cloud, path, password="correct horse", **more):
    path.write_text(program(cloud, "wrap", "-n", "payments", "--name", "db", "--from-literal", f"password={password}", **more).stdout)
    return path


def unwrap(cloud, path, **more):
    result = program(cloud, "unwrap", "-f", str(path), "-o", "json", **more)
    return {name: base64.b64decode(value).decode() for name, value in json.loads(result.stdout)["data"].items()}


def yaml_of(path):
    return yaml.safe_load(path.read_text())


def python(cloud, *words, manifest=None):
    """Runs the official client."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "Tests/Clients/wrapped_secret.py"), *words], capture_output=True, text=True, check=False,
        env=BASE | cloud.settings | {"KMS": cloud.client}, input=json.dumps(manifest), timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_official_client_opens_what_the_program_wraps(cloud, tmp_path):
    path = wrap(cloud, tmp_path / "w.yaml")
    assert python(cloud, "open", manifest=yaml_of(path)) == {"password": "correct horse"}


def test_the_program_opens_what_the_official_client_wraps(cloud, tmp_path):
    path = tmp_path / "w.yaml"
    path.write_text(json.dumps(python(cloud, "make", "payments", "db", "password=battery", "user=staple")))
    assert unwrap(cloud, path) == {"password": "battery", "user": "staple"}


def test_a_copy_in_another_namespace_does_not_open(cloud, tmp_path):
    """Cloud KMS refuses the associated data. Key Vault has none, and the MAC does not verify."""
    path = wrap(cloud, tmp_path / "w.yaml")
    path.write_text(path.read_text().replace("namespace: payments", "namespace: billing"))
    before = len(cloud.statuses())
    result = program(cloud, "unwrap", "-f", str(path), check=False)
    assert result.returncode == 1
    assert "correct horse" not in result.stdout + result.stderr
    assert set(cloud.statuses()[before:]) == {400 if cloud.client == "gcp" else 200}


def test_a_forged_recipient_is_skipped_and_never_opens(cloud, tmp_path):
    """It holds another data key, properly wrapped for the same place."""
    wrapped = yaml_of(wrap(cloud, tmp_path / "w.yaml"))
    forged = python(cloud, "make", "payments", "db", "password=forged")["spec"]["recipients"][0]
    own = wrapped["spec"]["recipients"][0]
    path = tmp_path / "forged.yaml"
    wrapped["spec"]["recipients"] = [forged]
    path.write_text(json.dumps(wrapped))
    assert program(cloud, "unwrap", "-f", str(path), check=False).returncode == 1
    wrapped["spec"]["recipients"] = [own]
    path.write_text(json.dumps(wrapped))
    assert unwrap(cloud, path) == {"password": "correct horse"}


def test_rewrap_moves_to_the_newest_version(cloud, tmp_path):
    path = wrap(cloud, tmp_path / "w.yaml")
    before = yaml_of(path)
    assert program(cloud, "rewrap", "--check", "--quiet", str(path), check=False).returncode == 0
    cloud.rotate()
    assert unwrap(cloud, path) == {"password": "correct horse"}
    assert program(cloud, "rewrap", "--check", "--quiet", str(path), check=False).returncode == 1
    program(cloud, "rewrap", "--quiet", str(path))
    assert program(cloud, "rewrap", "--check", "--quiet", str(path), check=False).returncode == 0
    cloud.disable_first()
    after = yaml_of(path)
    assert after["spec"]["data"] == before["spec"]["data"]
    assert after["spec"]["mac"] == before["spec"]["mac"]
    assert unwrap(cloud, path) == {"password": "correct horse"}
    assert python(cloud, "open", manifest=after) == {"password": "correct horse"}
    path.write_text(json.dumps(before))
    disabled = program(cloud, "unwrap", "-f", str(path), check=False)
    assert disabled.returncode == 1
    assert "disabled" in disabled.stderr.lower()


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_is_repeated_after_the_time_that_the_service_asks_for(cloud, tmp_path, status):
    path = wrap(cloud, tmp_path / "w.yaml")
    cloud.fail(status, retry_after=1)
    start = time.monotonic()
    assert unwrap(cloud, path) == {"password": "correct horse"}
    assert 1 <= time.monotonic() - start < 20
    assert cloud.statuses()[-2:] == [status, 200]


def test_a_new_token_is_requested_once_after_a_401(cloud, tmp_path):
    path = wrap(cloud, tmp_path / "w.yaml")
    cloud.fail(401)
    assert unwrap(cloud, path) == {"password": "correct horse"}
    cloud.fail(401, times=0 if cloud.client == "gcp" else 100)
    before = len(cloud.statuses())
    assert program(cloud, "unwrap", "-f", str(path), check=False).returncode == 1
    assert len(cloud.statuses()) - before <= 4


# Google's credentials, with the program


@pytest.fixture
def gcp(tmp_path):
    cloud = GCP(tmp_path)
    yield cloud
    cloud.close()


SUBJECT = "system:serviceaccount:secrets-bridge:secrets-bridge"


def external_account(gcp, source, impersonated):
    info = {
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gcp.server.url}/v1/token",
        "credential_source": source,
    }
    if impersonated:
        info["service_account_impersonation_url"] = (
            f"{gcp.server.url}/v1/projects/-/serviceAccounts/{gcp.email}:generateAccessToken"
        )
        resource = f"projects/example-project/serviceAccounts/{gcp.email}"
        gcp.server.control("grant", resource=resource, member=f"principalSet://iam.googleapis.com/{POOL}/*", role="iam.workloadIdentityUser")
    else:
        gcp.grant(f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}", "cloudkms.cryptoKeyDecrypter")
    return info


@pytest.mark.parametrize("impersonated", [False, True], ids=["direct", "impersonated"])
@pytest.mark.parametrize("kind", ["file", "url-text", "url-json"])
def test_the_program_opens_with_workload_identity_federation(gcp, tmp_path, kind, impersonated):
    gcp.server.control("provider", audience=PROVIDER)
    token = gcp.server.control("subject-token", sub=SUBJECT, aud=f"https:{PROVIDER}")["token"]
    (tmp_path / "token").write_text(token + "\n")
    source = {"file": str(tmp_path / "token")}
    if kind != "file":
        form = {"type": "json", "subject_token_field_name": "token"} if kind == "url-json" else {"type": "text"}
        source = {"url": f"{gcp.server.url}/subject-token?format={form['type']}", "format": form}
    file = tmp_path / "federation.json"
    file.write_text(json.dumps(external_account(gcp, source, impersonated)))
    path = wrap(gcp, tmp_path / "w.yaml")
    assert unwrap(gcp, path, settings={"GOOGLE_APPLICATION_CREDENTIALS": str(file)}) == {"password": "correct horse"}
    principal = f"serviceAccount:{gcp.email}" if impersonated else f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}"
    assert [line["principal"] for line in gcp.server.requests() if line["operation"] == "decrypt"] == [principal]


def test_the_program_opens_with_the_token_of_the_metadata_server(gcp, tmp_path):
    gcp.server.control(metadata={"principal": f"serviceAccount:{gcp.email}"})
    path = wrap(gcp, tmp_path / "w.yaml")
    settings = {"GOOGLE_APPLICATION_CREDENTIALS": "", "NO_GCE_CHECK": "", "GCE_METADATA_HOST": gcp.server.address}
    assert unwrap(gcp, path, settings=settings) == {"password": "correct horse"}
    gcp.server.control(metadata={"flavor": False})
    impostor = program(gcp, "unwrap", "-f", str(path), settings=settings, check=False)
    assert impostor.returncode == 1
    assert "Metadata-Flavor" in impostor.stderr


def test_the_program_refuses_responses_that_were_changed_on_the_way(gcp, tmp_path):
    path = wrap(gcp, tmp_path / "w.yaml")
    gcp.server.control("corrupt", operation="decrypt", field="plaintext")
    assert unwrap(gcp, path) == {"password": "correct horse"}, "one corrupted response is repeated"
    gcp.server.control("corrupt", operation="decrypt", field="plaintext", times=0)
    refused = program(gcp, "unwrap", "-f", str(path), check=False)
    assert refused.returncode == 1
    assert "CRC-32C" in refused.stderr
    for field in ("verifiedPlaintextCrc32c", "verifiedAdditionalAuthenticatedDataCrc32c"):
        gcp.server.control("forget")
        gcp.server.control("corrupt", operation="encrypt", field=field, value=None, times=0)
        words = ["wrap", "-n", "payments", "--name", "db", "--from-literal", "password=x"]
        assert program(gcp, *words, check=False).returncode == 1


def test_the_quota_project_is_sent(gcp, tmp_path):
    gcp.server.control(quota_projects=["billing-project"])
    path = wrap(gcp, tmp_path / "w.yaml", settings={"GOOGLE_CLOUD_QUOTA_PROJECT": "billing-project"})
    assert gcp.server.requests()[-1]["project"] == "billing-project"
    denied = program(gcp, "unwrap", "-f", str(path), settings={"GOOGLE_CLOUD_QUOTA_PROJECT": "other-project"}, check=False)
    assert denied.returncode == 1
    assert "GOOGLE_CLOUD_QUOTA_PROJECT" in denied.stderr
