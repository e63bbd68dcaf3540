"""All objects of a soak and their writers: with the default key, merged, with restarts, and with the providers of tenants."""

import collections
import os

import comparison
import wrapped_secret
from edits import CANARY
from merging import MergeEditor
from providers import ProviderFaults
from tenants import NAMESPACES as TENANTS
from tenants import PROVIDERS, Tenants
from workload import RestartEditor, SizedEditor, create_workloads

NAMESPACES = ["soak-a", "soak-b", "soak-c"]
RESTARTING, MERGING = "soak-restart", "soak-merge"
ALL_NAMESPACES = [*NAMESPACES, RESTARTING, MERGING, *TENANTS]
# The share of the objects that restart a workload, that merge, and that have a provider.
RESTARTED, MERGED, OF_PROVIDERS = 0.1, 0.15, 0.15


class Population:
    def __init__(self, servers, kms_address, count, rate, longest):
        """`rate` is the number of changes a second of all writers, and `longest` limits the seconds of a provider's fault."""
        self.servers, self.api, self.random = servers, servers.api, servers.random
        self.count, self.rate = count, rate
        self.tenants = Tenants(self.api, kms_address, (servers.folder / "vault-ca.pem").read_text(), servers.authorities.read_text())
        self.prepare()
        merged, restarted, of_providers = (round(count * share) for share in (MERGED, RESTARTED, OF_PROVIDERS))
        self.merging = self.editor(MergeEditor, places([MERGING], "merge", merged))
        self.restarting = self.editor(RestartEditor, places([RESTARTING], "restart", restarted))
        self.of_providers = [
            self.editor(SizedEditor, places([provider.namespace], provider.name, of_providers // len(PROVIDERS)), provider)
            for provider in PROVIDERS
        ]
        left = count - merged - restarted - len(PROVIDERS) * (of_providers // len(PROVIDERS))
        plain = [self.editor(SizedEditor, places([namespace], "db", len(range(index, left, 3)))) for index, namespace in enumerate(NAMESPACES)]
        self.editors = [*plain, self.restarting, *self.of_providers, self.merging]
        self.breaking = [
            ProviderFaults(self.tenants, provider, self.random.random(), longest) for provider in PROVIDERS if not provider.is_steady
        ]

    def prepare(self):
        for namespace in ALL_NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.api.expect({201, 409}, "POST", "/api/v1/namespaces", body)
        create_workloads(self.api, RESTARTING)
        self.tenants.prepare()

    def editor(self, kind, chosen, provider=None):
        """Returns an editor of these places, whose share of the changes is that of the objects."""
        kms = wrapped_secret.Vault(provider.key, os.environ["BAO_TOKEN"]) if provider else wrapped_secret.Vault()
        pause = self.count / (self.rate * max(1, len(chosen)))
        return kind(self.api, kms, wrapped_secret.make_wrapped, chosen, self.random.random(), pause, provider and provider.reference)

    # The run

    def start(self):
        journal = (self.servers.folder / "edits.log").open("w", buffering=1)
        for editor in self.editors:
            editor.journal = journal
        for writer in [*self.editors, *self.breaking]:
            writer.start()

    @property
    def is_complete(self):
        """True once every object was created."""
        return all(editor.done["created"] >= len(editor.specs) or not editor.is_alive() for editor in self.editors)

    def stop(self):
        """Stops all writers, with the providers repaired; returns the problems."""
        for writer in [*self.editors, *self.breaking]:
            writer.stopped.set()
        for writer in [*self.editors, *self.breaking]:
            writer.join(180)
        for thread in self.breaking:
            thread.repair()
        stuck = [writer for writer in [*self.editors, *self.breaking] if writer.failure or writer.is_alive()]
        return [f"a writer stopped: {writer.failure!r}" for writer in stuck]

    # The comparison

    def prepare_comparison(self):
        readers = [wrapped_secret.Vault(token=self.servers.script("openbao", "token", "controller").strip())]
        readers += [wrapped_secret.Vault(provider.key, os.environ["BAO_TOKEN"]) for provider in PROVIDERS]
        self.open_wrapped = comparison.Opener(readers, wrapped_secret.open_wrapped)

    def differences(self):
        """Returns a line for each difference between the cluster and the last writes."""
        wanted = {place: spec for editor in self.editors if editor is not self.merging for place, spec in editor.specs.items()}
        found = comparison.differences(self.api, [name for name in ALL_NAMESPACES if name != MERGING], wanted, self.open_wrapped)
        found += self.restarting.differences()
        found += self.merging.differences(self.open_wrapped)
        # A provider that was created again is tested by the next change of a WrappedSecret.
        return found + list(self.tenants.not_ready(PROVIDERS, ("Ready", "NotTested")))

    def versions(self):
        return comparison.versions(self.api, ALL_NAMESPACES)

    def leaks(self, texts):
        return comparison.leaks(self.api, ALL_NAMESPACES, CANARY, texts)

    # The figures

    @property
    def changes(self):
        return sum((editor.done for editor in self.editors), collections.Counter())

    def bytes(self):
        """Returns the bytes of all values, after the comparison has decrypted them."""
        live = {spec["mac"] for editor in self.editors for spec in editor.specs.values() if spec}
        return sum(len(value) for (_, mac), values in self.open_wrapped.opened.items() if mac in live for value in values.values())

    @property
    def provider_faults(self):
        return sum((thread.done for thread in self.breaking), collections.Counter())


def places(namespaces, name, count):
    return [(namespace, f"{name}-{index}") for namespace in namespaces for index in range(count)]
