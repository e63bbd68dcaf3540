"""Tests the policy of hack/developer-policy on a real OpenBao."""

import base64
import os
import re

import pytest

from chart import BINARY, KUBECTL, NAMESPACE, ROOT, run
from pages import blocks

# The end of a namespace can have three positions in base64.
NAMESPACES = ["pay", "paym", "payments"]
NAMES = ["db", "0", "z9.example"]


def printed(*arguments, check=True):
    return run(ROOT / "hack/developer-policy", *arguments, check=check, env=dict(os.environ))


class Administrator:
    def __init__(self, vault):
        settings = dict(re.findall(r"^(\w+)=(.*)$", (vault.folder / "settings").read_text(), re.MULTILINE))
        self.program = settings["BAO_PROGRAM"]
        self.environment = {name: settings[name] for name in ("BAO_ADDR", "BAO_CACERT", "BAO_TOKEN")}

    def bao(self, *arguments, token=None, **more):
        environment = {**self.environment, **({"BAO_TOKEN": token} if token else {})}
        return run(self.program, *arguments, env=environment, **more)


@pytest.fixture(scope="module")
def administrator(vault):
    return Administrator(vault)


@pytest.fixture(scope="module", params=NAMESPACES)
def developer(request, administrator):
    """Returns a namespace and the token of a developer who may wrap for it."""
    name = f"sb-developer-{request.param}"
    administrator.bao("policy", "write", name, "-", given=printed(request.param).stdout)
    return request.param, administrator.bao("token", "create", f"-policy={name}", "-ttl=1h", "-field=token").stdout.strip()


def wrap(vault, token, namespace, name, scope):
    environment = {**vault.developer, "SB_KMS_VAULT_TOKEN": token}
    return run(BINARY, "wrap", "-n", namespace, "--name", name, "--scope", scope, "--from-literal=k=v", env=environment, check=False)


def context(namespace, name, scope="strict", version="secrets-bridge/v1"):
    return base64.b64encode("\0".join([version, scope, namespace, name]).encode()).decode()


@pytest.mark.parametrize("scope", ["strict", "namespace"])
def test_wraps_for_its_namespace(vault, developer, scope):
    namespace, token = developer
    for name in NAMES:
        wrapped = wrap(vault, token, namespace, name, scope)
        assert wrapped.returncode == 0, wrapped.stderr


@pytest.mark.parametrize("scope", ["strict", "namespace"])
def test_wraps_for_no_other_namespace(vault, developer, scope):
    namespace, token = developer
    for other in (f"{namespace}s", f"{namespace}-dev", namespace[:-1], "billing", *(set(NAMESPACES) - {namespace})):
        for name in NAMES:
            refused = wrap(vault, token, other, name, scope)
            assert refused.returncode != 0 and refused.stdout == "" and "denies transit/datakey" in refused.stderr, (other, refused.stderr)
    assert wrap(vault, token, namespace, "db", "cluster").returncode != 0


def test_denies_other_requests(administrator, developer):
    namespace, token = developer
    own, foreign = context(namespace, "db"), context("billing", "db")
    plaintext = "plaintext=" + base64.b64encode(b"k" * 32).decode()
    encrypt, generate, decrypt = (f"transit/{path}/sb-wrap" for path in ("encrypt", "datakey/plaintext", "decrypt"))

    def write(*arguments):
        return administrator.bao("write", *arguments, token=token, check=False)

    given = write("-field=ciphertext", encrypt, plaintext, f"context={own}")
    assert given.returncode == 0, given.stderr
    assert write(generate, "bits=256", f"context={own}").returncode == 0
    for arguments in (
        (encrypt, plaintext), (encrypt, plaintext, f"context={foreign}"), (generate, "bits=256"), (generate, f"context={foreign}"),
        (encrypt, plaintext, f"context={own}", 'batch_input=[{"plaintext":"YQ==","context":"' + foreign + '"}]'),
        (encrypt, 'batch_input=[{"plaintext":"YQ==","context":"' + foreign + '"}]'),
        (decrypt, f"ciphertext={given.stdout.strip()}", f"context={own}"),
        ("transit/rewrap/sb-wrap", f"ciphertext={given.stdout.strip()}", f"context={own}"),
    ):
        refused = write(*arguments)
        assert refused.returncode != 0 and "permission denied" in refused.stderr, (arguments, refused.stderr, refused.stdout)


def test_login_by_jwt_needs_no_reviewer(cluster, administrator, vault):
    """Runs the commands of docs/vault.md."""
    (commands,) = blocks("docs/vault.md", "3b. With the cluster's public keys")
    host, port = cluster.address
    run("bash", "-euo", "pipefail", "-c", f"""cd {ROOT}
        bao() {{ "{administrator.program}" "$@"; }}
        kubectl() {{ "{KUBECTL}" "$@"; }}
        {commands}""", kubeconfig=cluster.kubeconfig,
        env={**administrator.environment, "KUBERNETES_URL": f"https://{host}:{port}", "KUBERNETES_CA": str(cluster.authority)})
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", "secrets-bridge")
    try:
        def login(*options):
            jwt = cluster.kubectl("-n", NAMESPACE, "create", "token", "--duration=10m", *options).stdout.strip()
            return administrator.bao("write", "-field=token_policies", "auth/jwt/login", "role=secrets-bridge", f"jwt={jwt}", check=False)

        cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", "other")
        assert "sb-controller" in login("secrets-bridge", "--audience=vault").stdout
        for refused in (("secrets-bridge",), ("secrets-bridge", "--audience=other"), ("other", "--audience=vault")):
            assert login(*refused).returncode != 0, refused
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "serviceaccount", "secrets-bridge", "other", "--ignore-not-found")
        cluster.kubectl("delete", "clusterrolebinding", "service-account-issuer-discovery")


def test_docs_show_the_printed_policy():
    shown = (ROOT / "manifests/vault/developer-payments.hcl").read_text()
    assert shown == printed("payments").stdout


def test_other_keys_and_mistakes():
    assert 'path "kms/transit/encrypt/other" {' in printed("payments", "other", "kms/transit").stdout
    for arguments in ((), ("Payments",), ("a.b",), ("payments", 'k" {'), ("payments", "k", "m", "x")):
        refused = printed(*arguments, check=False)
        assert refused.returncode != 0 and refused.stdout == "", arguments
