"""Proves hack/lib/gcp_server.py with Google's own clients: google-cloud-kms (REST) and google-auth. What the Swift client is
tested against is what these understand."""

import base64
import hashlib
import json
import pathlib
import sys
import time
from types import SimpleNamespace

import google.auth
import google.auth.exceptions
import google.auth.transport.requests
import google_crc32c
import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from google.api_core import exceptions
from google.auth import credentials as anonymous
from google.cloud import kms
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Clients"))

from gcp_fake import POOL, PROVIDER, RING, GCPServer  # noqa: E402

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
AAD = b"secrets-bridge/v1\x00strict\x00payments\x00db"
CONTROLLER = "controller@example-project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    server = GCPServer(tmp_path_factory.mktemp("gcp"))
    with server.real_names():
        yield server
    server.close()


@pytest.fixture
def server(running, monkeypatch, tmp_path):
    """The server without faults, and an environment without this machine's settings."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    running.control("forget")
    running.control(token_seconds=3600, destroy_at_once=False, quota_projects=None)
    running.control(metadata={"principal": None, "flavor": True})
    running.hosts.clear()
    return running


@pytest.fixture
def key(server, request):
    """A key of its own for each test, and clients of those who may use it."""
    name = f"{RING}/cryptoKeys/{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"
    server.control(
        "key",
        key=name,
        grants={
            f"serviceAccount:{CONTROLLER}": ["cloudkms.cryptoKeyDecrypter"],
            "user:developer@example.com": ["cloudkms.cryptoKeyEncrypter"],
            "user:rotator@example.com": ["cloudkms.cryptoKeyEncrypterDecrypter"],
        },
    )
    return SimpleNamespace(
        name=name,
        controller=client(server, f"serviceAccount:{CONTROLLER}"),
        developer=client(server, "user:developer@example.com"),
        rotator=client(server, "user:rotator@example.com"),
        admin=client(server, "user:admin@example.com"),
    )


def client(server, principal, **options):
    token = server.control("token", principal=principal, **options)["access_token"]
    return client_with(oauth2.Credentials(token))


def client_with(credentials):
    return kms.KeyManagementServiceClient(credentials=credentials, transport="rest")


def encrypt(client, name, plaintext=b"a data key", aad=AAD):
    request = {
        "name": name,
        "plaintext": plaintext,
        "plaintext_crc32c": google_crc32c.value(plaintext),
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": google_crc32c.value(aad),
    }
    return client.encrypt(request=request, retry=None)


def decrypt(client, name, ciphertext, aad=AAD):
    request = {
        "name": name,
        "ciphertext": ciphertext,
        "ciphertext_crc32c": google_crc32c.value(ciphertext),
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": google_crc32c.value(aad),
    }
    return client.decrypt(request=request, retry=None)


# Asymmetric keys


@pytest.fixture(params=["RSA_DECRYPT_OAEP_3072_SHA256", "RSA_DECRYPT_OAEP_4096_SHA256"])
def rsa_key(server, request):
    """A version of an asymmetric key, and clients of those who may use it."""
    name = f"{RING}/cryptoKeys/{hashlib.sha256(request.node.name.encode()).hexdigest()[:20]}"
    grants = {
        f"serviceAccount:{CONTROLLER}": ["cloudkms.cryptoKeyDecrypter"],
        "user:developer@example.com": ["cloudkms.publicKeyViewer"],
    }
    server.control("key", key=name, algorithm=request.param, grants=grants)
    return SimpleNamespace(
        name=f"{name}/cryptoKeyVersions/1",
        algorithm=request.param,
        controller=client(server, f"serviceAccount:{CONTROLLER}"),
        developer=client(server, "user:developer@example.com"),
        admin=client(server, "user:admin@example.com"),
    )


def asymmetric_decrypt(client, name, ciphertext, **more):
    request = {"name": name, "ciphertext": ciphertext, "ciphertext_crc32c": google_crc32c.value(ciphertext)} | more
    return client.asymmetric_decrypt(request=request, retry=None)


def sealed_by(public_key, plaintext):
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return serialization.load_pem_public_key(public_key.pem.encode()).encrypt(plaintext, oaep)


def test_decrypts_what_the_public_key_encrypted(server, rsa_key):
    public_key = rsa_key.developer.get_public_key(request={"name": rsa_key.name}, retry=None)
    assert public_key.name == rsa_key.name
    assert public_key.algorithm.name == rsa_key.algorithm
    assert public_key.pem_crc32c == google_crc32c.value(public_key.pem.encode())
    opened = asymmetric_decrypt(rsa_key.controller, rsa_key.name, sealed_by(public_key, b"a data key"))
    assert opened.plaintext == b"a data key"
    assert opened.plaintext_crc32c == google_crc32c.value(b"a data key")
    assert opened.verified_ciphertext_crc32c


def test_refuses_what_an_asymmetric_key_does_not_do(server, rsa_key):
    key = rsa_key.name.partition("/cryptoKeyVersions")[0]
    with pytest.raises(exceptions.BadRequest):
        asymmetric_decrypt(rsa_key.controller, rsa_key.name, b"x" * 384)
    with pytest.raises(exceptions.BadRequest):
        asymmetric_decrypt(rsa_key.controller, rsa_key.name, b"x" * 384, ciphertext_crc32c=1)
    with pytest.raises(exceptions.BadRequest):
        encrypt(rsa_key.admin, key)
    with pytest.raises(exceptions.Forbidden):
        rsa_key.controller.get_public_key(request={"name": rsa_key.name}, retry=None)
    with pytest.raises(exceptions.Forbidden):
        asymmetric_decrypt(rsa_key.developer, rsa_key.name, b"x" * 384)
    assert rsa_key.admin.get_crypto_key(request={"name": key}).primary.name == ""


def test_a_symmetric_key_has_no_public_key(server, key):
    with pytest.raises(exceptions.BadRequest):
        key.admin.get_public_key(request={"name": f"{key.name}/cryptoKeyVersions/1"}, retry=None)


# Encrypt and Decrypt


def test_decrypts_what_it_encrypted_under_the_same_associated_data(server, key):
    sealed = encrypt(key.developer, key.name)
    assert sealed.name == f"{key.name}/cryptoKeyVersions/1"
    assert sealed.verified_plaintext_crc32c
    assert sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == google_crc32c.value(sealed.ciphertext)
    assert sealed.protection_level == kms.ProtectionLevel.SOFTWARE
    assert b"a data key" not in sealed.ciphertext
    opened = decrypt(key.controller, key.name, sealed.ciphertext)
    assert opened.plaintext == b"a data key"
    assert opened.plaintext_crc32c == google_crc32c.value(b"a data key")
    assert opened.used_primary
    assert set(server.hosts) == {"cloudkms.googleapis.com"}


def test_ciphertexts_of_one_plaintext_differ(key):
    assert encrypt(key.developer, key.name).ciphertext != encrypt(key.developer, key.name).ciphertext


def test_an_empty_plaintext_is_returned_as_empty_with_its_checksum(key):
    sealed = encrypt(key.developer, key.name, b"", b"")
    opened = decrypt(key.controller, key.name, sealed.ciphertext, b"")
    assert opened.plaintext == b""
    assert opened.plaintext_crc32c == 0


def test_checksums_that_were_not_sent_are_not_verified(key):
    sealed = key.developer.encrypt(request={"name": key.name, "plaintext": b"x"}, retry=None)
    assert not sealed.verified_plaintext_crc32c
    assert not sealed.verified_additional_authenticated_data_crc32c


@pytest.mark.parametrize("field", ["plaintext", "additional_authenticated_data"])
def test_encrypt_rejects_a_wrong_checksum(key, field):
    request = {"name": key.name, "plaintext": b"x", "additional_authenticated_data": b"y", f"{field}_crc32c": 1}
    with pytest.raises(exceptions.BadRequest, match=f"The checksum in field {field}_crc32c did not match"):
        key.developer.encrypt(request=request, retry=None)


@pytest.mark.parametrize("field", ["ciphertext", "additional_authenticated_data"])
def test_decrypt_rejects_a_wrong_checksum(key, field):
    sealed = encrypt(key.developer, key.name)
    request = {"name": key.name, "ciphertext": sealed.ciphertext, "additional_authenticated_data": AAD, f"{field}_crc32c": 1}
    with pytest.raises(exceptions.BadRequest, match=f"The checksum in field {field}_crc32c did not match"):
        key.controller.decrypt(request=request, retry=None)


def test_decrypt_rejects_other_associated_data(key):
    sealed = encrypt(key.developer, key.name)
    for other in (b"", AAD + b"x", AAD[:-1]):
        with pytest.raises(exceptions.BadRequest, match="Decryption failed"):
            decrypt(key.controller, key.name, sealed.ciphertext, other)


def test_decrypt_rejects_a_changed_ciphertext_at_each_byte(key):
    ciphertext = encrypt(key.developer, key.name).ciphertext
    for index in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[index] ^= 1
        with pytest.raises(exceptions.BadRequest, match="Decryption failed"):
            decrypt(key.controller, key.name, bytes(changed))


def test_decrypt_rejects_the_ciphertext_of_another_key(server, key):
    server.control("key", key=f"{key.name}2", grants={f"serviceAccount:{CONTROLLER}": ["cloudkms.cryptoKeyDecrypter"]})
    with pytest.raises(exceptions.BadRequest, match="verify that 'name' refers to the correct CryptoKey"):
        decrypt(key.controller, f"{key.name}2", encrypt(key.developer, key.name).ciphertext)


def test_corrupted_responses_are_told_by_their_checksums(server, key):
    server.control("corrupt", operation="encrypt", field="ciphertext")
    sealed = encrypt(key.developer, key.name)
    assert sealed.ciphertext_crc32c != google_crc32c.value(sealed.ciphertext)
    server.control("corrupt", operation="encrypt", field="verifiedPlaintextCrc32c", value=None)
    assert not encrypt(key.developer, key.name).verified_plaintext_crc32c
    sealed = encrypt(key.developer, key.name)
    server.control("corrupt", operation="decrypt", field="plaintext")
    opened = decrypt(key.controller, key.name, sealed.ciphertext)
    assert opened.plaintext_crc32c != google_crc32c.value(opened.plaintext)
    assert decrypt(key.controller, key.name, sealed.ciphertext).plaintext == b"a data key"


@pytest.mark.parametrize(("level", "accepted", "refused"), [("SOFTWARE", 65536, 65537), ("HSM", 8192, 8193)])
def test_lengths_are_limited_by_the_protection_level(server, key, level, accepted, refused):
    name = f"{key.name}-{level}"
    server.control("key", key=name, level=level, grants={"user:developer@example.com": ["cloudkms.cryptoKeyEncrypter"]})
    assert encrypt(key.developer, name, b"x" * accepted, b"").protection_level == kms.ProtectionLevel[level]
    with pytest.raises(exceptions.BadRequest):
        encrypt(key.developer, name, b"x" * refused, b"")


# Versions


def test_a_rotated_key_opens_what_its_earlier_version_encrypted(server, key):
    before = encrypt(key.developer, key.name)
    server.control("rotate", key=key.name)
    after = encrypt(key.developer, key.name)
    assert after.name.endswith("/cryptoKeyVersions/2")
    opened = decrypt(key.controller, key.name, before.ciphertext)
    assert opened.plaintext == b"a data key"
    assert not opened.used_primary
    assert decrypt(key.controller, key.name, after.ciphertext).used_primary


def test_encrypt_accepts_the_name_of_a_version(server, key):
    server.control("rotate", key=key.name)
    sealed = encrypt(key.developer, f"{key.name}/cryptoKeyVersions/1")
    assert sealed.name == f"{key.name}/cryptoKeyVersions/1"


def test_the_official_client_manages_versions(key):
    created = key.admin.create_crypto_key_version(parent=key.name, crypto_key_version={})
    assert created.name == f"{key.name}/cryptoKeyVersions/2"
    assert key.admin.get_crypto_key(name=key.name).primary.name == f"{key.name}/cryptoKeyVersions/1"
    updated = key.admin.update_crypto_key_primary_version(name=key.name, crypto_key_version_id="2")
    assert updated.primary.name == created.name
    sealed = encrypt(key.developer, key.name)
    version = kms.CryptoKeyVersion(name=created.name, state=kms.CryptoKeyVersion.CryptoKeyVersionState.DISABLED)
    key.admin.update_crypto_key_version(crypto_key_version=version, update_mask={"paths": ["state"]})
    with pytest.raises(exceptions.BadRequest, match="is not enabled, current state is: DISABLED"):
        decrypt(key.controller, key.name, sealed.ciphertext)
    with pytest.raises(exceptions.BadRequest, match="is not enabled, current state is: DISABLED"):
        encrypt(key.developer, key.name)
    destroyed = key.admin.destroy_crypto_key_version(name=created.name)
    assert destroyed.state == kms.CryptoKeyVersion.CryptoKeyVersionState.DESTROY_SCHEDULED
    with pytest.raises(exceptions.BadRequest, match="current state is: DESTROY_SCHEDULED"):
        decrypt(key.controller, key.name, sealed.ciphertext)
    restored = key.admin.restore_crypto_key_version(name=created.name)
    assert restored.state == kms.CryptoKeyVersion.CryptoKeyVersionState.DISABLED
    states = [one.state.name for one in key.admin.list_crypto_key_versions(parent=key.name)]
    assert states == ["ENABLED", "DISABLED"]


def test_a_destroyed_version_is_never_enabled_again(server, key):
    sealed = encrypt(key.developer, key.name)
    server.control(destroy_at_once=True)
    key.admin.destroy_crypto_key_version(name=sealed.name)
    with pytest.raises(exceptions.BadRequest, match="current state is: DESTROYED"):
        decrypt(key.controller, key.name, sealed.ciphertext)
    with pytest.raises(exceptions.BadRequest, match="current state is: DESTROYED"):
        key.admin.restore_crypto_key_version(name=sealed.name)


def test_the_official_client_creates_a_key_and_grants_a_role(server, key):
    location = RING.partition("/keyRings/")[0]
    ring = key.admin.create_key_ring(parent=location, key_ring_id="another", key_ring={}).name
    created = key.admin.create_crypto_key(
        parent=ring, crypto_key_id="sb-wrap", crypto_key={"purpose": kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT}
    )
    with pytest.raises(exceptions.Forbidden):
        encrypt(key.developer, created.name)
    policy = key.admin.get_iam_policy(request={"resource": created.name})
    policy.bindings.add(role="roles/cloudkms.cryptoKeyEncrypter", members=["user:developer@example.com"])
    key.admin.set_iam_policy(request={"resource": created.name, "policy": policy})
    assert encrypt(key.developer, created.name).name == f"{created.name}/cryptoKeyVersions/1"
    assert key.admin.get_iam_policy(request={"resource": created.name}) == policy
    with pytest.raises(exceptions.Conflict):
        key.admin.create_key_ring(parent=location, key_ring_id="another", key_ring={})


# IAM and faults


def test_roles_decide_who_encrypts_and_who_decrypts(server, key):
    sealed = encrypt(key.developer, key.name)
    with pytest.raises(exceptions.Forbidden, match=r"useToDecrypt' denied on resource .* \(or it may not exist\)") as denied:
        decrypt(key.developer, key.name, sealed.ciphertext)
    assert denied.value.reason == "IAM_PERMISSION_DENIED"
    with pytest.raises(exceptions.Forbidden, match="useToEncrypt"):
        encrypt(key.controller, key.name)
    assert decrypt(key.rotator, key.name, encrypt(key.rotator, key.name).ciphertext).plaintext == b"a data key"
    role = {"resource": key.name, "member": "user:rotator@example.com", "role": "cloudkms.cryptoKeyEncrypterDecrypter"}
    server.control("revoke", **role)
    with pytest.raises(exceptions.Forbidden):
        encrypt(key.rotator, key.name)


def test_a_missing_key_is_not_found_for_the_owner_and_denied_to_others(key):
    with pytest.raises(exceptions.NotFound, match="not found"):
        encrypt(key.admin, f"{key.name}-missing")
    with pytest.raises(exceptions.Forbidden):
        encrypt(key.developer, f"{key.name}-missing")


def test_a_token_without_a_scope_for_kms_is_refused(server, key):
    limited = client(server, f"serviceAccount:{CONTROLLER}", scopes=["https://www.googleapis.com/auth/iam"])
    with pytest.raises(exceptions.Forbidden, match="insufficient authentication scopes"):
        encrypt(limited, key.name)


def test_requests_without_a_valid_token_are_unauthenticated(server, key):
    # The official client asks its credentials for another token, and these have none.
    with pytest.raises(google.auth.exceptions.InvalidOperation):
        encrypt(client_with(anonymous.AnonymousCredentials()), key.name)
    assert server.requests()[-1]["status"] == 401
    expired = client(server, "user:developer@example.com", seconds=-1)
    with pytest.raises(google.auth.exceptions.RefreshError):
        encrypt(expired, key.name)
    assert server.requests()[-1]["status"] == 401


def test_the_quota_project_must_be_usable(server, key):
    server.control(quota_projects=["billing"])
    token = server.control("token", principal="user:developer@example.com")["access_token"]
    assert encrypt(client_with(oauth2.Credentials(token, quota_project_id="billing")), key.name).ciphertext
    assert server.requests()[-1]["project"] == "billing"
    with pytest.raises(exceptions.Forbidden, match="permission to use project other") as denied:
        encrypt(client_with(oauth2.Credentials(token, quota_project_id="other")), key.name)
    assert denied.value.reason == "USER_PROJECT_DENIED"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, exceptions.TooManyRequests),
        (503, exceptions.ServiceUnavailable),
        (500, exceptions.InternalServerError),
        (504, exceptions.GatewayTimeout),
    ],
)
def test_told_faults_are_the_errors_of_the_official_client(server, key, status, error):
    server.control("fail", service="kms", operation="encrypt", status=status, retry_after=2)
    with pytest.raises(error) as raised:
        encrypt(key.developer, key.name)
    assert raised.value.response.headers["Retry-After"] == "2"
    assert encrypt(key.developer, key.name).ciphertext


def test_the_official_client_retries_an_unavailable_service(server, key):
    server.control("fail", service="kms", operation="encrypt", status=503, times=2)
    assert key.developer.encrypt(request={"name": key.name, "plaintext": b"x"}).ciphertext
    assert [line["status"] for line in server.requests()[-3:]] == [503, 503, 200]


def test_the_official_client_refreshes_its_token_after_a_401(server, key):
    info = server.control("user", email="developer@example.com")
    credentials = oauth2.Credentials.from_authorized_user_info(info, SCOPES)
    own = client_with(credentials)
    assert encrypt(own, key.name).ciphertext
    first = credentials.token
    server.control("fail", service="kms", status=401)
    assert encrypt(own, key.name).ciphertext
    assert credentials.token != first
    server.control("forget")
    assert encrypt(own, key.name).ciphertext


# Application Default Credentials: each kind of file, and the metadata server


def default_credentials(monkeypatch, tmp_path, info):
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(info))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return google.auth.default(scopes=SCOPES)[0]


def opens(server, key, credentials):
    """Decrypts with these credentials, and returns the principal that the server saw."""
    sealed = encrypt(key.developer, key.name)
    assert decrypt(client_with(credentials), key.name, sealed.ciphertext).plaintext == b"a data key"
    return [line["principal"] for line in server.requests() if line["operation"] == "decrypt"][-1]


def test_a_service_account_key_gets_a_token_for_its_assertion(server, key, monkeypatch, tmp_path):
    info = server.control("service-account", email=CONTROLLER)
    credentials = default_credentials(monkeypatch, tmp_path, info)
    credentials.refresh(google.auth.transport.requests.Request())
    assert credentials.token.startswith("ya29.c.sa.")
    assert 3500 < (credentials.expiry.timestamp() - time.timezone - time.time()) <= 3600
    assert opens(server, key, credentials) == f"serviceAccount:{CONTROLLER}"


def test_a_self_signed_token_of_a_service_account_is_accepted(server, key):
    info = server.control("service-account", email=CONTROLLER)
    credentials = service_account.Credentials.from_service_account_info(info, always_use_jwt_access=True)
    before = len(server.requests())
    assert opens(server, key, credentials) == f"serviceAccount:{CONTROLLER}"
    assert "oauth2" not in {line["service"] for line in server.requests()[before:]}


def test_a_key_of_another_service_account_is_refused(server):
    info = server.control("service-account", email=CONTROLLER)
    other = server.control("service-account", email="other@example-project.iam.gserviceaccount.com")
    forged = info | {"private_key": other["private_key"]}
    credentials = service_account.Credentials.from_service_account_info(forged, scopes=SCOPES)
    with pytest.raises(google.auth.exceptions.RefreshError, match="Invalid JWT Signature"):
        credentials.refresh(google.auth.transport.requests.Request())


def test_an_authorized_user_gets_a_token_for_the_refresh_token(server, key, monkeypatch, tmp_path):
    server.control("grant", resource=key.name, member="user:dev@example.com", role="cloudkms.cryptoKeyDecrypter")
    info = server.control("user", email="dev@example.com")
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text(json.dumps(info))
    credentials, _ = google.auth.default(scopes=SCOPES)
    assert opens(server, key, credentials) == "user:dev@example.com"
    assert "oauth2.googleapis.com" in server.hosts
    revoked = oauth2.Credentials.from_authorized_user_info(info | {"refresh_token": "revoked"}, SCOPES)
    with pytest.raises(google.auth.exceptions.RefreshError, match="expired or revoked"):
        revoked.refresh(google.auth.transport.requests.Request())
    wrong = oauth2.Credentials.from_authorized_user_info(info | {"client_secret": "wrong"}, SCOPES)
    with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_client"):
        wrong.refresh(google.auth.transport.requests.Request())


def external_account(source, impersonate=None, subject_type="jwt"):
    info = {
        "type": "external_account",
        "universe_domain": "googleapis.com",
        "audience": PROVIDER,
        "subject_token_type": f"urn:ietf:params:oauth:token-type:{subject_type}",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    }
    if impersonate:
        info["service_account_impersonation_url"] = (
            f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{impersonate}:generateAccessToken"
        )
    return info


SUBJECT = "system:serviceaccount:secrets-bridge:secrets-bridge"
AUDIENCE = f"https:{PROVIDER}"


@pytest.fixture
def subject_file(server, tmp_path):
    server.control("provider", audience=PROVIDER)
    file = tmp_path / "token"
    file.write_text(server.control("subject-token", sub=SUBJECT, aud=[AUDIENCE])["token"])
    return file


def test_a_federated_principal_uses_the_key_directly(server, key, subject_file, monkeypatch, tmp_path):
    member = f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}"
    server.control("grant", resource=key.name, member=member, role="cloudkms.cryptoKeyDecrypter")
    credentials = default_credentials(monkeypatch, tmp_path, external_account({"file": str(subject_file)}))
    assert opens(server, key, credentials) == member
    assert "sts.googleapis.com" in server.hosts


def test_a_federated_principal_impersonates_a_service_account(server, key, subject_file, monkeypatch, tmp_path):
    server.control("service-account", email=CONTROLLER)
    resource = f"projects/example-project/serviceAccounts/{CONTROLLER}"
    pool = f"principalSet://iam.googleapis.com/{POOL}/*"
    info = external_account({"file": str(subject_file)}, CONTROLLER)
    with pytest.raises(google.auth.exceptions.RefreshError, match="iam.serviceAccounts.getAccessToken"):
        default_credentials(monkeypatch, tmp_path, info)
    server.control("grant", resource=resource, member=pool, role="iam.workloadIdentityUser")
    credentials = default_credentials(monkeypatch, tmp_path, info)
    assert opens(server, key, credentials) == f"serviceAccount:{CONTROLLER}"
    server.control("revoke", resource=resource, member=pool, role="iam.workloadIdentityUser")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_url_source_gives_the_subject_token(server, key, subject_file, monkeypatch, tmp_path, kind):
    member = f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}"
    server.control("grant", resource=key.name, member=member, role="cloudkms.cryptoKeyDecrypter")
    form = {"type": kind} | ({"subject_token_field_name": "token"} if kind == "json" else {})
    source = {"url": f"{server.url}/subject-token?format={kind}", "format": form, "headers": {"Metadata-Flavor": "Google"}}
    assert opens(server, key, default_credentials(monkeypatch, tmp_path, external_account(source))) == member


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"aud": "https://other.example.com"}, "does not match the expected audience"),
        ({"iss": "https://other.example.com"}, "The issuer in ID Token"),
        ({"seconds": -1}, "expired|ExpiredToken"),
    ],
)
def test_sts_refuses_a_subject_token(server, key, subject_file, monkeypatch, tmp_path, claims, message):
    token = server.control("subject-token", **({"sub": SUBJECT, "aud": AUDIENCE} | claims))["token"]
    subject_file.write_text(token)
    # google.auth.default exchanges the token, because it asks for the number of the project.
    with pytest.raises(google.auth.exceptions.OAuthError, match=message):
        default_credentials(monkeypatch, tmp_path, external_account({"file": str(subject_file)}))


def test_sts_refuses_a_forged_signature_and_an_unknown_provider(server, subject_file, monkeypatch, tmp_path):
    header, claims, signature = subject_file.read_text().split(".")
    forged = base64.urlsafe_b64encode(b"\x01" * 256).decode().rstrip("=")
    assert forged != signature
    subject_file.write_text(f"{header}.{claims}.{forged}")
    info = external_account({"file": str(subject_file)})
    with pytest.raises(google.auth.exceptions.OAuthError, match="BadSignature"):
        default_credentials(monkeypatch, tmp_path, info)
    info["audience"] = PROVIDER + "x"
    with pytest.raises(google.auth.exceptions.OAuthError, match="invalid_target"):
        default_credentials(monkeypatch, tmp_path, info)


def test_a_providers_mapping_and_condition_decide(server, key, subject_file, monkeypatch, tmp_path):
    server.control(
        "provider",
        audience=PROVIDER,
        mapping={"google.subject": "assertion.sub", "attribute.namespace": "assertion['kubernetes.io']['namespace']"},
        condition="attribute.namespace == 'secrets-bridge'",
    )
    member = f"principalSet://iam.googleapis.com/{POOL}/attribute.namespace/secrets-bridge"
    server.control("grant", resource=key.name, member=member, role="cloudkms.cryptoKeyDecrypter")
    info = external_account({"file": str(subject_file)})

    def write_token(namespace):
        claims = {"sub": SUBJECT, "aud": AUDIENCE, "kubernetes.io": {"namespace": namespace}}
        subject_file.write_text(server.control("subject-token", **claims)["token"])

    write_token("secrets-bridge")
    credentials = default_credentials(monkeypatch, tmp_path, info)
    assert opens(server, key, credentials) == f"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}"
    write_token("other")
    with pytest.raises(google.auth.exceptions.OAuthError, match="rejected by the attribute condition"):
        credentials.refresh(google.auth.transport.requests.Request())


def test_an_impersonated_service_account_uses_its_source(server, key, monkeypatch, tmp_path):
    server.control("service-account", email=CONTROLLER)
    resource = f"projects/example-project/serviceAccounts/{CONTROLLER}"
    server.control("grant", resource=resource, member="user:dev@example.com", role="iam.serviceAccountTokenCreator")
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{CONTROLLER}:generateAccessToken"
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": url,
        "source_credentials": server.control("user", email="dev@example.com"),
        "delegates": [],
    }
    credentials = default_credentials(monkeypatch, tmp_path, info)
    assert opens(server, key, credentials) == f"serviceAccount:{CONTROLLER}"
    assert {"oauth2.googleapis.com", "iamcredentials.googleapis.com"} <= set(server.hosts)


def test_the_metadata_server_gives_the_token_of_the_workload(server, key):
    server.control(metadata={"principal": f"serviceAccount:{CONTROLLER}"})
    credentials, project = google.auth.default(scopes=SCOPES)
    assert project == "example-project"
    assert opens(server, key, credentials) == f"serviceAccount:{CONTROLLER}"
    first = credentials.token
    credentials.refresh(google.auth.transport.requests.Request())
    assert credentials.token == first


def test_the_metadata_server_serves_the_principal_of_a_gke_workload(server, key):
    pool = "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/example-project.svc.id.goog"
    member = f"principal://{pool}/subject/ns/secrets-bridge/sa/secrets-bridge"
    server.control("grant", resource=key.name, member=member, role="cloudkms.cryptoKeyDecrypter")
    server.control(metadata={"principal": member})
    assert opens(server, key, google.auth.default(scopes=SCOPES)[0]) == member


def test_an_impostor_of_the_metadata_server_is_not_believed(server):
    server.control(metadata={"principal": f"serviceAccount:{CONTROLLER}", "flavor": False})
    with pytest.raises(google.auth.exceptions.DefaultCredentialsError):
        google.auth.default(scopes=SCOPES)


@pytest.mark.parametrize("headers", [{}, {"Metadata-Flavor": "Google", "X-Forwarded-For": "1.2.3.4"}, {"Metadata-Flavor": "Google", "Host": "attacker.example.com"}])
def test_the_metadata_server_refuses_requests_that_a_browser_could_send(server, headers):
    server.control(metadata={"principal": f"serviceAccount:{CONTROLLER}"})
    url = f"{server.url}/computeMetadata/v1/instance/service-accounts/default/token"
    response = requests.get(url, headers=headers, timeout=5)
    assert response.status_code == 403
    assert requests.get(url, headers={"Metadata-Flavor": "Google"}, timeout=5).status_code == 200


def test_short_tokens_are_replaced_under_load(server, key):
    server.control(token_seconds=230)
    server.control(metadata={"principal": f"serviceAccount:{CONTROLLER}"})
    credentials, _ = google.auth.default(scopes=SCOPES)
    sealed = encrypt(key.developer, key.name)
    own = client_with(credentials)
    for _ in range(3):
        assert decrypt(own, key.name, sealed.ciphertext).plaintext == b"a data key"
    server.control("forget")
    assert decrypt(own, key.name, sealed.ciphertext).plaintext == b"a data key"


@pytest.mark.parametrize("service", ["oauth2", "sts", "iamcredentials", "metadata"])
def test_a_told_fault_of_a_token_service_reaches_google_auth(server, key, subject_file, monkeypatch, tmp_path, service):
    server.control("service-account", email=CONTROLLER)
    resource = f"projects/example-project/serviceAccounts/{CONTROLLER}"
    server.control("grant", resource=resource, member="allAuthenticatedUsers", role="iam.workloadIdentityUser")
    server.control(metadata={"principal": f"serviceAccount:{CONTROLLER}"})
    infos = {
        "oauth2": server.control("user", email="developer@example.com"),
        "sts": external_account({"file": str(subject_file)}),
        "iamcredentials": external_account({"file": str(subject_file)}, CONTROLLER),
    }
    if service in infos:
        credentials = default_credentials(monkeypatch, tmp_path, infos[service])
    else:
        credentials, _ = google.auth.default(scopes=SCOPES)
    server.control("fail", service=service, status=503)  # once
    if service in {"sts", "iamcredentials"}:  # google-auth does not retry these
        with pytest.raises(google.auth.exceptions.GoogleAuthError):
            credentials.refresh(google.auth.transport.requests.Request())
    credentials.refresh(google.auth.transport.requests.Request())
    assert credentials.valid
    statuses = [line["status"] for line in server.requests() if line["service"] == service]
    assert 503 in statuses[-3:]
