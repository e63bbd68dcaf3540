"""Proves hack/lib/azure_server.py with Microsoft's own clients: azure-keyvault-keys and azure-identity."""

import base64
import json
import os
import pathlib
import stat
import sys
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests/Clients"))

import azure_fake  # noqa: E402
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError  # noqa: E402
from azure.identity import (  # noqa: E402
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys import ApiVersion, KeyClient  # noqa: E402
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm  # noqa: E402
from client_certificate import make_certificate  # noqa: E402
from service_account import Issuer  # noqa: E402

TENANT = "11111111-2222-3333-4444-555555555555"
OPERATIONS = ["wrapKey", "unwrapKey", "getKey", "listVersions", "createKey", "rotateKey", "updateKey"]
DATA_KEY = bytes(range(32))


@pytest.fixture(scope="module")
def server():
    with azure_fake.running() as fake:
        yield fake


@pytest.fixture(autouse=True)
def clean_environment(server, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("AZURE_", "IDENTITY_", "MSI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.authority)
    server.do("clear_faults")
    server.do("lifetime", seconds=3599)
    server.do("remove_managed_identities")


class Setup:
    """A vault with a key, and an application that may do everything."""

    def __init__(self, server, kind="vault", kty="RSA", **vault):
        self.server, self.name = server, f"v{uuid.uuid4().hex[:8]}"
        self.client_id, self.secret = str(uuid.uuid4()), "s3cret~" + uuid.uuid4().hex
        server.do("vault", name=self.name, tenant=TENANT, kind=kind, **vault)
        self.url = server.vault(self.name, kind)
        self.kid = server.do("key", vault=self.name, name="sb-wrap", kty=kty)["kid"]
        self.add(self.client_id, secret=self.secret)

    def add(self, client_id, operations=OPERATIONS, **application):
        self.server.do("app", client_id=client_id, tenant=TENANT, **application)
        self.server.do("grant", client_id=client_id, vault=self.name, operations=operations)

    def credential(self, **options):
        return ClientSecretCredential(TENANT, self.client_id, self.secret, disable_instance_discovery=True, **options)

    def keys(self, credential=None, **options):
        return KeyClient(self.url, credential or self.credential(), **options)

    def cryptography(self, credential=None, key=None, **options):
        """A client without the public key, which makes it ask the vault."""
        client = CryptographyClient(key or self.kid, credential or self.credential(), **options)
        client._keys_get_forbidden = True
        return client


@pytest.fixture
def setup(server):
    return Setup(server)


def round_trip(client, algorithm=KeyWrapAlgorithm.rsa_oaep_256):
    wrapped = client.wrap_key(algorithm, DATA_KEY)
    assert client.unwrap_key(algorithm, wrapped.encrypted_key).key == DATA_KEY
    return wrapped


def inner_code(error):
    return error.value.error.inner_error["code"] if hasattr(error.value.error, "inner_error") else json.loads(error.value.response.text())["error"]["innererror"]["code"]


def test_wraps_and_unwraps_with_rsa(setup):
    wrapped = round_trip(setup.cryptography())
    assert wrapped.key_id == setup.kid
    assert len(wrapped.encrypted_key) == 256
    assert [entry["status"] for entry in setup.server.requests(host=setup.url[8:])][:2] == [401, 200]


def test_unwraps_what_the_client_wraps_with_the_public_key(setup):
    client = CryptographyClient(setup.keys().get_key("sb-wrap"), setup.credential())
    wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
    assert setup.server.requests(host=setup.url[8:], operation="wrapKey") == []
    assert setup.cryptography().unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == DATA_KEY


def test_wraps_and_unwraps_with_aes_on_a_managed_hsm(server):
    setup = Setup(server, kind="hsm", kty="oct-HSM")
    wrapped = round_trip(setup.cryptography(), KeyWrapAlgorithm.aes_256)
    assert len(wrapped.encrypted_key) == 40


def test_wraps_with_the_newest_version_if_none_is_named(setup):
    new = setup.keys().rotate_key("sb-wrap")
    assert new.id != setup.kid
    wrapped = setup.cryptography(key=f"{setup.url}/keys/sb-wrap/").wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
    assert setup.cryptography(key=new.id).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == DATA_KEY
    with pytest.raises(HttpResponseError) as error:
        setup.cryptography().unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    assert (error.value.status_code, error.value.error.code) == (400, "BadParameter")
    versions = [version.id for version in setup.keys().list_properties_of_key_versions("sb-wrap")]
    assert versions == [setup.kid, new.id]


def test_creates_keys(setup):
    key = setup.keys().create_rsa_key("other", size=2048)
    assert key.properties.enabled is True
    round_trip(setup.cryptography(key=key.id))


def test_refuses_a_disabled_version(setup):
    wrapped = round_trip(setup.cryptography())
    setup.keys().update_key_properties("sb-wrap", enabled=False)
    with pytest.raises(HttpResponseError) as error:
        setup.cryptography().unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    assert error.value.status_code == 403
    assert inner_code(error) == "KeyDisabled"
    setup.keys().update_key_properties("sb-wrap", enabled=True)
    assert setup.cryptography().unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == DATA_KEY


def test_unwraps_and_does_not_wrap_with_an_expired_key(setup):
    wrapped = round_trip(setup.cryptography())
    setup.server.do("update", vault=setup.name, name="sb-wrap", exp=int(time.time()) - 10)
    with pytest.raises(HttpResponseError):
        setup.cryptography().wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
    assert setup.cryptography().unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == DATA_KEY


def test_reports_an_unknown_key_and_an_unknown_version(setup):
    with pytest.raises(ResourceNotFoundError) as error:
        setup.keys().get_key("missing")
    assert error.value.error.code == "KeyNotFound"
    with pytest.raises(ResourceNotFoundError):
        setup.keys().get_key("sb-wrap", "0" * 32)


@pytest.mark.parametrize(("mode", "code"), [("rbac", "ForbiddenByRbac"), ("policy", "ForbiddenByPolicy")])
def test_refuses_a_caller_without_permission(server, mode, code):
    setup = Setup(server, mode=mode)
    developer = str(uuid.uuid4())
    setup.add(developer, ["wrapKey"], secret="s")
    client = setup.cryptography(ClientSecretCredential(TENANT, developer, "s", disable_instance_discovery=True))
    wrapped = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
    with pytest.raises(HttpResponseError) as error:
        client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    assert error.value.status_code == 403
    assert inner_code(error) == code


def test_refuses_addresses_outside_of_the_firewall(setup):
    setup.server.do("firewall", name=setup.name, closed=True)
    with pytest.raises(HttpResponseError) as error:
        setup.keys().get_key("sb-wrap")
    assert inner_code(error) == "ForbiddenByFirewall"


def test_refuses_unknown_api_versions(setup):
    def other_version(request):
        request.http_request.url = request.http_request.url.replace(ApiVersion.V7_4.value, "9.9")

    with pytest.raises(HttpResponseError) as error:
        setup.keys(api_version=ApiVersion.V7_4).get_key("sb-wrap", raw_request_hook=other_version)
    assert (error.value.status_code, error.value.error.code) == (400, "BadParameter")


def test_throttles_with_retry_after(setup):
    client = setup.cryptography()
    round_trip(client)
    setup.server.do("fault", on="wrapKey", status=429, headers={"Retry-After": "1"})
    start = time.monotonic()
    client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY)
    assert time.monotonic() - start >= 1


def test_fails_with_server_errors_as_often_as_told(setup):
    client = setup.cryptography(retry_total=0)
    round_trip(client)
    setup.server.do("fault", on="unwrapKey", status=503, after=1)
    wrapped = round_trip(client)
    with pytest.raises(HttpResponseError) as error:
        client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    assert error.value.status_code == 503
    round_trip(client)


def test_gets_another_token_after_a_401(setup):
    client = setup.cryptography()
    round_trip(client)
    setup.server.do("forget_tokens")
    # The client's credential would return the forgotten token from its cache again.
    client = setup.cryptography()
    round_trip(client)


def test_answers_a_revoked_token_with_a_claims_challenge(setup):
    client = setup.cryptography()
    round_trip(client)
    setup.server.do("revoke", client_id=setup.client_id)
    round_trip(client)
    claims = [json.loads(entry["claims"]) for entry in setup.server.requests(operation="token", client_id=setup.client_id)]
    assert [sorted(each["access_token"]) for each in claims] == [["xms_cc"], ["nbf", "xms_cc"]]


def test_gives_a_token_for_a_certificate(setup, tmp_path):
    pem, certificate = make_certificate()
    path = tmp_path / "client.pem"
    path.write_text(pem)
    client_id = str(uuid.uuid4())
    setup.add(client_id, certificate=certificate)
    round_trip(setup.cryptography(CertificateCredential(TENANT, client_id, str(path), disable_instance_discovery=True)))
    other, _ = make_certificate()
    path.write_text(other)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        setup.cryptography(CertificateCredential(TENANT, client_id, str(path), disable_instance_discovery=True)).wrap_key(
            KeyWrapAlgorithm.rsa_oaep_256, DATA_KEY
        )


SUBJECT = "system:serviceaccount:secrets-bridge:secrets-bridge"


def workload_identity(setup, tmp_path, token, issuer):
    client_id = str(uuid.uuid4())
    setup.server.do("issuer", issuer=issuer.url, jwks=issuer.jwks)
    setup.add(client_id, federated=[{"issuer": issuer.url, "subject": SUBJECT, "audience": "api://AzureADTokenExchange"}])
    (tmp_path / "token").write_text(token)
    return WorkloadIdentityCredential(
        tenant_id=TENANT, client_id=client_id, token_file_path=str(tmp_path / "token"), disable_instance_discovery=True
    )


def test_gives_a_token_for_a_service_account(setup, tmp_path):
    issuer = Issuer()
    round_trip(setup.cryptography(workload_identity(setup, tmp_path, issuer.token(SUBJECT), issuer)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "system:serviceaccount:default:default"}, 700213),
        ({"audience": "sts.amazonaws.com"}, 700212),
        ({"issuer": "https://elsewhere.example"}, 700211),
        ({"lifetime": -600}, 700024),
    ],
)
def test_refuses_service_accounts_that_are_not_trusted(setup, tmp_path, change, code):
    issuer = Issuer()
    credential = workload_identity(setup, tmp_path, issuer.token(**{"subject": SUBJECT} | change), issuer)
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}"):
        credential.get_token("https://vault.azure.net/.default")


@pytest.mark.parametrize(
    ("tenant", "client_id", "secret", "code"),
    [(TENANT, None, "wrong", 7000215), (TENANT, "unknown", None, 700016), ("99999999-2222-3333-4444-555555555555", None, None, 90002)],
)
def test_refuses_unknown_applications(setup, tenant, client_id, secret, code):
    credential = ClientSecretCredential(
        tenant, client_id or setup.client_id, secret or setup.secret, disable_instance_discovery=True
    )
    with pytest.raises(ClientAuthenticationError, match=f"AADSTS{code}"):
        credential.get_token("https://vault.azure.net/.default")


def test_gives_tokens_with_the_lifetime_that_was_set(setup):
    setup.server.do("lifetime", seconds=900, refresh_in=450)
    token = setup.credential().get_token_info("https://vault.azure.net/.default")
    assert 895 <= token.expires_on - time.time() <= 901
    assert 445 <= token.refresh_on - time.time() <= 451


def test_refuses_expired_tokens(setup):
    setup.server.do("lifetime", seconds=1)
    client = setup.cryptography()
    round_trip(client)
    time.sleep(1.1)
    round_trip(client)
    assert len(setup.server.requests(operation="token", client_id=setup.client_id)) >= 2


def managed_identity(setup, monkeypatch, **identity):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", setup.server.metadata)
    client_id = str(uuid.uuid4())
    setup.server.do("managed_identity", client_id=client_id, tenant=TENANT, **identity)
    setup.server.do("grant", client_id=client_id, vault=setup.name, operations=OPERATIONS)
    return client_id


def test_gives_a_token_for_the_managed_identity(setup, monkeypatch):
    managed_identity(setup, monkeypatch, system=True)
    round_trip(setup.cryptography(ManagedIdentityCredential()))


def test_gives_a_token_for_a_user_assigned_identity(setup, monkeypatch):
    managed_identity(setup, monkeypatch)
    client_id = managed_identity(setup, monkeypatch)
    round_trip(setup.cryptography(ManagedIdentityCredential(client_id=client_id)))
    with pytest.raises(CredentialUnavailableError):
        ManagedIdentityCredential(client_id=str(uuid.uuid4())).get_token("https://vault.azure.net/.default")
    with pytest.raises(CredentialUnavailableError):
        ManagedIdentityCredential().get_token("https://vault.azure.net/.default")


@pytest.mark.parametrize("status", [404, 410, 429, 500])
def test_the_metadata_service_recovers(setup, monkeypatch, status):
    managed_identity(setup, monkeypatch, system=True)
    setup.server.do("fault", on="metadata", status=status)
    round_trip(setup.cryptography(ManagedIdentityCredential()))


def fake_cli(setup, tmp_path, monkeypatch):
    user = str(uuid.uuid4())
    setup.server.do("grant", client_id=user, vault=setup.name, operations=OPERATIONS)
    output = setup.server.do("token", client_id=user, tenant=TENANT, resource=f"https://vault.localhost:{setup.server.port}")
    program = tmp_path / "az"
    program.write_text(f"#!/bin/sh\necho \"$*\" >>'{tmp_path}/arguments'\ncat <<'JSON'\n{json.dumps(output)}\nJSON\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


def test_gives_a_token_of_the_command_line(setup, tmp_path, monkeypatch):
    fake_cli(setup, tmp_path, monkeypatch)
    round_trip(setup.cryptography(AzureCliCredential()))
    resource = f"https://vault.localhost:{setup.server.port}"
    assert (tmp_path / "arguments").read_text().split() == ["account", "get-access-token", "--output", "json", "--resource", resource, "--tenant", TENANT]


def test_default_credential_prefers_the_environment(setup, tmp_path, monkeypatch):
    fake_cli(setup, tmp_path, monkeypatch)
    for name, value in (("TENANT_ID", TENANT), ("CLIENT_ID", setup.client_id), ("CLIENT_SECRET", setup.secret)):
        monkeypatch.setenv(f"AZURE_{name}", value)
    round_trip(setup.cryptography(DefaultAzureCredential(disable_instance_discovery=True)))
    assert not (tmp_path / "arguments").exists()


def test_claims_are_base64url(setup):
    """The challenge is one that the client's own parser understands."""
    from azure.keyvault.keys._shared.http_challenge import HttpChallenge

    text = base64.urlsafe_b64encode(b'{"access_token":{"nbf":{"essential":true,"value":"1"}}}').rstrip(b"=").decode()
    header = f'Bearer realm="", authorization_uri="https://login.localhost/common/oauth2/authorize", error="insufficient_claims", claims="{text}"'
    assert json.loads(HttpChallenge(setup.url, header).claims)["access_token"]["nbf"]["value"] == "1"
