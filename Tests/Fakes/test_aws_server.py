"""Proves hack/lib/aws_server.py with boto3: sessions of web identities, their policies, keys and encryption contexts. What the
Swift client is tested against behaves as AWS documents."""

import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from joserfc import jwt
from joserfc.jwk import RSAKey

SERVER = pathlib.Path(__file__).resolve().parents[2] / "hack/lib/aws_server.py"
ACCOUNT, REGION = "111122223333", "eu-west-1"
ISSUER = "https://cluster.example.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/cluster.example.com"
NAMESPACE = "secrets-bridge.io/namespace"
# It reads the descriptions of the services once.
SESSION = boto3.Session(region_name=REGION)


class AWSServer:
    def __init__(self, folder):
        self.folder = folder
        self.issuer = RSAKey.generate_key(2048, {"kid": "k1"}, auto_kid=False)
        public = self.issuer.as_dict(private=False) | {"kid": "k1"}
        (folder / "issuer.json").write_text(json.dumps({"issuer": ISSUER, "jwks": {"keys": [public]}}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-B", SERVER, str(port), folder],
            env={"PATH": "/usr/bin:/bin", "MOTO_ACCOUNT_ID": ACCOUNT},
            stderr=(folder / "log").open("w"),
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        iam = self.client("iam", "setup", "setup")
        iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"])
        iam.create_user(UserName="admin")
        allowed = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="admin", PolicyName="own", PolicyDocument=document(allowed["Statement"]))
        key = iam.create_access_key(UserName="admin")["AccessKey"]
        urllib.request.urlopen(f"{self.url}/control", json.dumps({"enforce": True}).encode(), timeout=5)
        self.admin = key["AccessKeyId"], key["SecretAccessKey"]

    def close(self):
        self.process.terminate()
        self.process.wait(10)

    def client(self, service, *keys, **options):
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        return SESSION.client(service, endpoint_url=self.url, **dict(zip(names, keys)), **options)

    def as_admin(self, service):
        return self.client(service, *self.admin)

    def token(self, subject, audience="sts.amazonaws.com"):
        claims = {"iss": ISSUER, "sub": subject, "aud": [audience], "exp": int(time.time()) + 600}
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.issuer)

    def requests(self):
        return [json.loads(line) for line in (self.folder / "requests.log").read_text().splitlines()]


def document(statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class Team:
    """A key, and a role of the team's service account that may decrypt with the key in the team's namespace."""

    def __init__(self, server, name):
        self.server, self.name = server, f"{name}-{os.urandom(4).hex()}"
        self.subject = f"system:serviceaccount:{self.name}:wrap-reader"
        self.role = f"arn:aws:iam::{ACCOUNT}:role/{self.name}"
        self.key = server.as_admin("kms").create_key()["KeyMetadata"]["Arn"]
        names = {"cluster.example.com:sub": self.subject, "cluster.example.com:aud": "sts.amazonaws.com"}
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": PROVIDER},
            "Condition": {"StringEquals": names},
        }
        server.as_admin("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument=document([trust]))
        self.allow(self.key)

    def allow(self, key, **condition):
        statement = {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key,
            "Condition": {"StringEquals": {f"kms:EncryptionContext:{NAMESPACE}": self.name}},
        }
        self.server.as_admin("iam").put_role_policy(
            RoleName=self.name, PolicyName="own", PolicyDocument=document([statement | condition])
        )

    def assume(self, role=None, token=None):
        sts = self.server.client("sts", config=Config(signature_version=UNSIGNED))
        return sts.assume_role_with_web_identity(
            RoleArn=role or self.role,
            RoleSessionName="secrets-bridge",
            WebIdentityToken=token or self.server.token(self.subject),
        )

    def kms(self):
        keys = self.assume()["Credentials"]
        return self.server.client("kms", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    @property
    def context(self):
        return {NAMESPACE: self.name}

    def wrap(self):
        return self.server.as_admin("kms").encrypt(
            KeyId=self.key, Plaintext=b"k" * 32, EncryptionContext=self.context
        )["CiphertextBlob"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = AWSServer(tmp_path_factory.mktemp("aws"))
    yield server
    server.close()


@pytest.fixture
def teams(server):
    return Team(server, "a"), Team(server, "b")


def code(call, **parameters):
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    return raised.value.response["Error"]["Code"]


def test_a_role_decrypts_with_its_key_in_its_namespace_and_the_log_has_its_session(server, teams):
    a, _ = teams
    wrapped = a.wrap()
    answer = a.kms().decrypt(KeyId=a.key, CiphertextBlob=wrapped, EncryptionContext=a.context)
    assert answer["Plaintext"] == b"k" * 32
    assert answer["KeyId"] == a.key
    login, decrypt = server.requests()[-2:]
    assert login == {
        "service": "sts",
        "operation": "AssumeRoleWithWebIdentity",
        "status": "200",
        "resource": a.role,
        "principal": a.subject,
    }
    assert decrypt == {
        "service": "kms",
        "operation": "Decrypt",
        "status": "200",
        "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/{a.name}/secrets-bridge",
        "resource": a.key,
        "context": a.context,
    }


def test_a_role_without_a_right_to_the_key_is_refused_and_logged(server, teams):
    a, b = teams
    assert code(
        b.kms().decrypt, KeyId=a.key, CiphertextBlob=a.wrap(), EncryptionContext=b.context
    ) == "AccessDeniedException"
    refused = server.requests()[-1]
    assert refused["status"] == "400"
    assert refused["principal"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{b.name}/secrets-bridge"
    assert refused["resource"] == a.key


def test_a_policy_is_evaluated_with_the_encryption_context_of_the_request(teams):
    a, b = teams
    wrapped = a.wrap()
    for context in ({}, b.context, a.context | {NAMESPACE: "A"}):
        assert code(
            a.kms().decrypt, KeyId=a.key, CiphertextBlob=wrapped, EncryptionContext=context
        ) == "AccessDeniedException"


def test_another_context_than_that_of_the_ciphertext_is_an_invalid_ciphertext(teams):
    a, b = teams
    b.allow(a.key)
    assert code(
        b.kms().decrypt, KeyId=a.key, CiphertextBlob=a.wrap(), EncryptionContext=b.context
    ) == "InvalidCiphertextException"


def test_the_key_of_a_request_must_be_that_of_the_ciphertext(server, teams):
    a, b = teams
    assert code(
        b.kms().decrypt, KeyId=b.key, CiphertextBlob=a.wrap(), EncryptionContext=a.context | b.context
    ) == "IncorrectKeyException"
    assert code(
        server.as_admin("kms").re_encrypt,
        SourceKeyId=b.key,
        DestinationKeyId=b.key,
        CiphertextBlob=a.wrap(),
        SourceEncryptionContext=a.context,
    ) == "IncorrectKeyException"
    # Policies come first.
    assert code(
        b.kms().decrypt, KeyId=b.key, CiphertextBlob=a.wrap(), EncryptionContext=a.context
    ) == "AccessDeniedException"


def test_without_a_key_id_the_key_of_the_ciphertext_is_authorised(teams):
    a, b = teams
    wrapped = a.wrap()
    answer = a.kms().decrypt(CiphertextBlob=wrapped, EncryptionContext=a.context)
    assert answer["KeyId"] == a.key
    assert code(b.kms().decrypt, CiphertextBlob=wrapped, EncryptionContext=b.context) == "AccessDeniedException"


def test_bytes_that_are_no_ciphertext_are_invalid_for_who_may_decrypt(teams):
    a, b = teams
    for blob in (b"x", os.urandom(150), base64.b64encode(os.urandom(90))):
        request = {"KeyId": a.key, "CiphertextBlob": blob}
        assert code(a.kms().decrypt, EncryptionContext=a.context, **request) == "InvalidCiphertextException"
        assert code(b.kms().decrypt, EncryptionContext=b.context, **request) == "AccessDeniedException"


def test_a_changed_policy_applies_to_sessions_that_exist(server, teams):
    a, _ = teams
    wrapped, kms = a.wrap(), a.kms()
    request = {"KeyId": a.key, "CiphertextBlob": wrapped, "EncryptionContext": a.context}
    kms.decrypt(**request)
    server.as_admin("iam").delete_role_policy(RoleName=a.name, PolicyName="own")
    assert code(kms.decrypt, **request) == "AccessDeniedException"
    a.allow(a.key)
    assert kms.decrypt(**request)["Plaintext"] == b"k" * 32
    a.allow(a.key, Effect="Deny")
    assert code(kms.decrypt, **request) == "AccessDeniedException"


def test_a_disabled_key_is_refused_after_policies(server, teams):
    a, b = teams
    wrapped = a.wrap()
    server.as_admin("kms").disable_key(KeyId=a.key.split("/")[1])
    assert code(
        a.kms().decrypt, KeyId=a.key, CiphertextBlob=wrapped, EncryptionContext=a.context
    ) == "DisabledException"
    assert code(
        b.kms().decrypt, KeyId=a.key, CiphertextBlob=wrapped, EncryptionContext=b.context
    ) == "AccessDeniedException"
    server.as_admin("kms").enable_key(KeyId=a.key.split("/")[1])
    a.kms().decrypt(KeyId=a.key, CiphertextBlob=wrapped, EncryptionContext=a.context)


def test_sts_checks_subject_audience_and_signature_of_a_token(server, teams):
    a, b = teams
    assert code(a.assume, role=b.role) == "AccessDenied"
    assert code(a.assume, role=f"{a.role}-missing") == "AccessDenied"
    assert code(a.assume, token=server.token(a.subject, "vault")) == "InvalidIdentityToken"
    head, claims, signature = server.token(a.subject).split(".")
    other = server.token(b.subject).split(".")[1]
    assert code(b.assume, token=f"{head}.{other}.{signature}") == "InvalidIdentityToken"


def test_a_request_needs_the_secret_and_the_token_of_a_session(server, teams):
    a, _ = teams
    keys = a.assume()["Credentials"]
    forged = server.client("kms", keys["AccessKeyId"], "x" * 40, keys["SessionToken"])
    assert code(forged.describe_key, KeyId=a.key) == "InvalidSignatureException"
    stolen = server.client("kms", keys["AccessKeyId"], keys["SecretAccessKey"], "another")
    assert code(stolen.describe_key, KeyId=a.key) == "UnrecognizedClientException"
