"""Tenants with a key, a policy, a role and a service account of their own, set up as docs/tenancy.md says, and their providers."""

import dataclasses
import os
import time

import comparison
import hvac
from edits import Editor
from kubernetes_api import APPLY, OBJECTS

# ClusterKeyProviders. STEADY is never touched.
STEADY, FRAGILE = "chaos-steady", "chaos-fragile"
LETTERS = "abcde"
NAMESPACES = [f"chaos-team-{letter}" for letter in LETTERS]


@dataclasses.dataclass(frozen=True)
class Provider:
    """A key provider and the namespace whose WrappedSecrets refer to it."""

    namespace: str
    kind: str
    name: str
    # The ClusterKeyProvider that has the address.
    cluster: str
    # The name of the transit key, of its policy and of the role of the login.
    key: str
    account: str = "wrap-reader"
    # Neither the provider nor what it needs is touched.
    is_steady: bool = False

    @property
    def reference(self):
        return {"kind": self.kind, "name": self.name}

    def __str__(self):
        """Returns the name in the controller's log."""
        return f"{self.kind} {self.name}" if self.kind == "ClusterKeyProvider" else f"{self.kind} {self.namespace}/{self.name}"


TEAM_A, TEAM_B, TEAM_C, TEAM_D, TEAM_E = NAMESPACES
OF_BROKEN_TEAM = Provider(TEAM_C, "KeyProvider", "own", STEADY, TEAM_C)
OF_FRAGILE = Provider(TEAM_D, "KeyProvider", "own", FRAGILE, TEAM_D)
DIRECTLY_FRAGILE = Provider(TEAM_E, "ClusterKeyProvider", FRAGILE, FRAGILE, FRAGILE)
PROVIDERS = [
    Provider(TEAM_A, "KeyProvider", "own", STEADY, TEAM_A, is_steady=True),
    Provider(TEAM_B, "ClusterKeyProvider", STEADY, STEADY, STEADY, is_steady=True),
    # Beside a provider of the same namespace that breaks.
    Provider(TEAM_C, "KeyProvider", "other", STEADY, f"{TEAM_C}_other", "other-reader", is_steady=True),
    OF_BROKEN_TEAM,
    OF_FRAGILE,
    DIRECTLY_FRAGILE,
]


class OpenBao:
    """OpenBao's administrator. Retries while the server restarts or is sealed."""

    def __init__(self):
        self.client = hvac.Client(url=os.environ["BAO_ADDR"], token=os.environ["BAO_TOKEN"], verify=os.environ["BAO_CACERT"])

    def write(self, path, **data):
        Editor.retry(lambda: self.client.adapter.post(f"/v1/{path}", json=data))

    def delete(self, path):
        Editor.retry(lambda: self.client.adapter.delete(f"/v1/{path}"))


class Tenants:
    def __init__(self, api, address, authorities, other_authorities):
        """`address` is that of OpenBao's proxy, `authorities` are the certificates of both as PEM, and `other_authorities` know
        neither."""
        self.api = api
        self.address = address
        self.authorities = authorities
        self.other_authorities = other_authorities

    # Keys

    def allow_key(self, bao, provider):
        """Creates or restores the key, the policy and the role."""
        key = provider.key
        bao.write(f"transit/keys/{key}", type="aes256-gcm96", derived=True)
        bao.write(f"transit/keys/{key}/soft-delete-restore")
        policy = "".join(f'path "transit/{what}/{key}" {{ capabilities = ["update"] }}\n' for what in ("decrypt", "datakey/plaintext"))
        bao.write(f"sys/policies/acl/{key}", policy=policy)
        # A steady login outlasts the run, so that its logins can be counted. Another ends soon, so that a missing role is noticed.
        is_shared = provider.kind == "ClusterKeyProvider"
        bao.write(
            f"auth/kubernetes/role/{key}", bound_service_account_names=provider.account,
            bound_service_account_namespaces=",".join(NAMESPACES) if is_shared else provider.namespace,
            audience="vault", token_policies=key, token_ttl="1h" if provider.is_steady else "20s",
        )  # fmt: skip

    def allow_tokens(self, provider):
        """Creates the service account, and the right of the controller to request its tokens."""
        account = provider.account
        group = "rbac.authorization.k8s.io"
        self.apply(f"/api/v1/namespaces/{provider.namespace}/serviceaccounts/{account}", "v1", "ServiceAccount", {})
        rbac = f"/apis/{group}/v1/namespaces/{provider.namespace}"
        rule = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [account], "verbs": ["create"]}
        self.apply(f"{rbac}/roles/{account}-tokens", f"{group}/v1", "Role", {"rules": [rule]})
        self.apply(self.token_binding(provider), f"{group}/v1", "RoleBinding", {
            "roleRef": {"apiGroup": group, "kind": "Role", "name": f"{account}-tokens"},
            "subjects": [{"kind": "ServiceAccount", "name": "secrets-bridge", "namespace": "secrets-bridge"}],
        })  # fmt: skip

    @staticmethod
    def token_binding(provider):
        return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{provider.namespace}/rolebindings/{provider.account}-tokens"

    @staticmethod
    def service_account(provider):
        return f"/api/v1/namespaces/{provider.namespace}/serviceaccounts/{provider.account}"

    # Providers

    def create(self, provider, changes=None):
        """Creates or restores a provider. `changes` are fields of its spec with other values, by their path."""
        if provider.kind == "KeyProvider":
            spec = {"clusterKeyProvider": provider.cluster, "serviceAccountName": provider.account, "key": provider.key, "role": provider.key}
        else:
            spec = {
                "vaultTransit": {"address": self.address, "caBundle": self.authorities, "key": provider.key, "role": provider.key},
                "identity": {"audience": "vault", "serviceAccountName": provider.account},
                "namespaces": {"names": NAMESPACES},
                "keyProviders": {"keys": ["{namespace}", "{namespace}_*"], "roles": ["{namespace}", "{namespace}_*"]},
            }
        for path, value in (changes or {}).items():
            *parents, field = path.split(".")
            place = spec
            for parent in parents:
                place = place[parent]
            place[field] = value
        self.apply(provider_path(provider), "secrets-bridge.io/v1alpha1", provider.kind, {"spec": spec})

    def delete(self, path):
        self.api.expect({200, 202, 404}, "DELETE", path)

    def apply(self, path, version, kind, fields):
        manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": path.rsplit("/", 1)[1]}, **fields}
        self.api.expect({200, 201}, "PATCH", path + "?fieldManager=chaos&force=true", manifest, kind=APPLY)

    def prepare(self):
        """Sets up every tenant. Only the steady providers exist already."""
        bao = OpenBao()
        for provider in PROVIDERS:
            self.allow_key(bao, provider)
            self.allow_tokens(provider)
        # A KeyProvider after its ClusterKeyProvider.
        for provider in sorted(PROVIDERS, key=lambda provider: provider.kind):
            if provider.is_steady:
                self.create(provider)

    def wait_until_ready(self, limit=60):
        """Waits until the controller uses the steady providers."""
        end = time.monotonic() + limit
        steady = [provider for provider in PROVIDERS if provider.is_steady]
        while problems := list(self.not_ready(steady, ("Ready", "NotTested"))):
            if time.monotonic() > end:
                raise RuntimeError(f"{limit} s after their creation: {'; '.join(problems)}")
            time.sleep(0.1)

    def not_ready(self, providers, accepted=("Ready",)):
        """Returns a line for each of these providers whose reason is not accepted."""
        for provider in providers:
            status, item = self.api.call("GET", provider_path(provider))
            if status != 200:
                yield f"{provider}: is missing"
                continue
            ready = comparison.condition(item)
            if ready is None or ready["reason"] not in accepted:
                yield f"{provider}: not ready: {ready and ready['reason']}: {ready and ready['message']}"
            elif item["status"]["observedGeneration"] != item["metadata"]["generation"]:
                yield f"{provider}: the condition describes an earlier generation"


def provider_path(provider):
    if provider.kind == "ClusterKeyProvider":
        return f"{OBJECTS}/clusterkeyproviders/{provider.name}"
    return f"{OBJECTS}/namespaces/{provider.namespace}/keyproviders/{provider.name}"
