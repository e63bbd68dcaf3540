"""Faults of key providers: what an administrator or a tenant can take away, and the thread that takes it and gives it back."""

import collections
import random
import threading

from tenants import DIRECTLY_FRAGILE, FRAGILE, OF_BROKEN_TEAM, OF_FRAGILE, STEADY, OpenBao, provider_path

# No server listens here.
WRONG_ADDRESS = "https://127.0.0.1:1"


class Fault:
    """A fault of a provider. `body(tenants, bao, provider)` causes it."""

    def __init__(self, name, body, *reasons):
        """`reasons` are those of a WrappedSecret that is changed meanwhile. Without one, the fault waits for the next login, or
        the provider works all the same."""
        self.name = name
        self.body = body
        self.reasons = reasons


def changed(name, changes, *reasons):
    return Fault(name, lambda tenants, _, provider: tenants.create(provider, changes), *reasons)


DELETED = Fault("provider deleted", lambda tenants, _, provider: tenants.delete(provider_path(provider)), "ProviderNotFound")
OF_KMS = [
    Fault("policy deleted", lambda _, bao, provider: bao.delete(f"sys/policies/acl/{provider.key}"), "UnwrapDenied"),
    Fault("key deleted", lambda _, bao, provider: bao.delete(f"transit/keys/{provider.key}/soft-delete"), "KeyUnavailable", "KMSUnavailable"),
    Fault("role deleted", lambda _, bao, provider: bao.delete(f"auth/kubernetes/role/{provider.key}")),
]
OF_IDENTITY = [
    Fault("service account deleted", lambda tenants, _, provider: tenants.delete(tenants.service_account(provider))),
    Fault("right to request tokens removed", lambda tenants, _, provider: tenants.delete(tenants.token_binding(provider))),
]
OF_KEY_PROVIDER = [
    DELETED,
    changed("provider of a key that is not allowed", {"key": "sb-wrap"}, "ProviderNotAllowed"),
    changed("provider of a role that is not allowed", {"role": "secrets-bridge"}, "ProviderNotAllowed"),
    changed("provider of a ClusterKeyProvider that does not exist", {"clusterKeyProvider": "chaos-none"}, "ProviderNotFound"),
]
OF_CLUSTER_KEY_PROVIDER = [
    DELETED,
    changed("wrong address", {"vaultTransit.address": WRONG_ADDRESS}, "KMSUnavailable"),
    changed("wrong audience", {"identity.audience": "other"}, "UnwrapDenied"),
    changed("namespaces not allowed", {"namespaces": {"names": ["chaos-none"]}}, "ProviderNotAllowed"),
    Fault(
        "wrong authorities",
        lambda tenants, _, provider: tenants.create(provider, {"vaultTransit.caBundle": tenants.other_authorities}),
        "KMSUnavailable",
    ),
]
# Changes after which the provider works.
MOVED = changed("provider moved to another ClusterKeyProvider", {"clusterKeyProvider": FRAGILE})
MOVED_BACK = changed("provider moved to another ClusterKeyProvider", {"clusterKeyProvider": STEADY})
FAULTS = {
    OF_BROKEN_TEAM: [*OF_KEY_PROVIDER, *OF_KMS, *OF_IDENTITY, MOVED],
    OF_FRAGILE: [*OF_KEY_PROVIDER, *OF_KMS, *OF_IDENTITY, MOVED_BACK],
    DIRECTLY_FRAGILE: [*OF_CLUSTER_KEY_PROVIDER, *OF_KMS, *OF_IDENTITY],
}


class ProviderFaults(threading.Thread):
    """Adds a provider that WrappedSecrets wait for, then breaks and repairs it, each fault once in a shuffled round."""

    def __init__(self, tenants, provider, seed, longest):
        """`longest` limits the seconds that a fault lasts, and those between two faults."""
        super().__init__(daemon=True)
        self.tenants = tenants
        self.provider = provider
        self.bao = OpenBao()
        self.random = random.Random(seed)
        self.longest = longest
        self.done = collections.Counter()
        self.failure = None
        self.stopped = threading.Event()

    def run(self):
        try:
            self.stopped.wait(self.random.uniform(0, self.longest))
            self.repair()
            self.done["provider added"] += 1
            remaining = []
            while not self.stopped.wait(self.random.uniform(self.longest / 8, self.longest)):
                remaining = remaining or self.random.sample(FAULTS[self.provider], len(FAULTS[self.provider]))
                self.inject(remaining.pop())
                self.stopped.wait(self.random.uniform(self.longest / 8, self.longest))
                self.repair()
        except Exception as error:  # noqa: BLE001 - the run reports it
            self.failure = error

    def inject(self, fault):
        fault.body(self.tenants, self.bao, self.provider)
        self.done[fault.name] += 1

    def repair(self):
        """Restores everything that any fault takes away."""
        self.tenants.allow_key(self.bao, self.provider)
        self.tenants.allow_tokens(self.provider)
        self.tenants.create(self.provider)
