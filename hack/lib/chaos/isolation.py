"""The part of a run in which the servers are calm and providers break: no WrappedSecret of another provider may notice."""

import collections
import json
import os
import pathlib
import time

import comparison
from kubernetes_api import object_path, secret_path
from providers import FAULTS, OF_CLUSTER_KEY_PROVIDER, WRONG_ADDRESS
from tenants import DIRECTLY_FRAGILE, FRAGILE, OF_BROKEN_TEAM, OF_FRAGILE, PROVIDERS

# Seconds from a change of a WrappedSecret to that of its Secret or status. Tests/Tenants allows as many.
LONGEST = 5
# No fault of a server or network leads to these reasons.
OF_PROVIDERS = {
    "ProviderNotFound", "ProviderNotReady", "ProviderNotAllowed", "KeyUnavailable", "NoUsableRecipient", "InvalidSpec",
    "DecryptFailed", "IntegrityFailed",
}  # fmt: skip
BROKEN = [OF_BROKEN_TEAM, OF_FRAGILE, DIRECTLY_FRAGILE]
# No message about an untouched object names these.
OF_OTHERS = [FRAGILE, WRONG_ADDRESS.removeprefix("https://") + " ", OF_FRAGILE.namespace, DIRECTLY_FRAGILE.namespace]


class Isolation:
    def __init__(self, api, threads, editors, others, open_wrapped, log, seeded):
        """`threads` are the ProviderFaults, which have ended. `editors` maps each provider to the editor of its WrappedSecrets;
        `others` are the editors of those with the default key."""
        self.api = api
        self.threads = {thread.provider: thread for thread in threads}
        self.editors = editors
        self.steady = [*others, *(editor for provider, editor in editors.items() if provider.is_steady)]
        self.untouched = {"/".join(place) for editor in self.steady for place in editor.specs}
        self.touched = {place for provider in BROKEN for place in editors[provider].specs}
        self.open_wrapped = open_wrapped
        self.log = log
        self.audit_log = pathlib.Path(os.environ["SB_OPENBAO_AUDIT_LOG"])
        self.random = seeded
        # The longest time that a change needed.
        self.slowest = 0
        self.problems = []

    def run(self):
        """Breaks two providers in five ways each, and repairs them. Returns the problems."""
        self.change_untouched()
        kept = self.secrets()
        ends = [(path, path.stat().st_size) for path in (self.log, self.audit_log)]
        of_team = self.random.sample([fault for fault in FAULTS[OF_BROKEN_TEAM] if fault.reasons], len(OF_CLUSTER_KEY_PROVIDER))
        of_cluster = self.random.sample(OF_CLUSTER_KEY_PROVIDER, len(OF_CLUSTER_KEY_PROVIDER))
        for team_fault, cluster_fault in zip(of_team, of_cluster):
            faults = {OF_BROKEN_TEAM: team_fault, OF_FRAGILE: cluster_fault, DIRECTLY_FRAGILE: cluster_fault}
            # Wrapped before the fault, which may take the key away.
            specs = {provider: self.wrap(self.editors[provider]) for provider in BROKEN}
            for provider in (OF_BROKEN_TEAM, DIRECTLY_FRAGILE):
                self.threads[provider].inject(faults[provider])
            # The watch of providers is not that of WrappedSecrets.
            time.sleep(0.5)
            for provider, (place, spec) in specs.items():
                self.editors[provider].apply(place, spec)
            self.change_untouched()
            for provider, (place, _) in specs.items():
                self.expect_failure(place, faults[provider])
            self.change_untouched()
            self.problems += [f"{secret}: is gone, after {team_fault.name} and {cluster_fault.name}" for secret in kept - self.secrets()]
            for provider in (OF_BROKEN_TEAM, DIRECTLY_FRAGILE):
                self.threads[provider].repair()
        (log, log_end), (audit_log, audit_end) = ends
        self.problems += blamed(log, self.untouched, log_end, is_calm=True)
        # One is allowed: the test of a provider that failed to serve during the other faults may come as late as now.
        self.problems += [f"role {role} logged in {count} times while others broke" for role, count in logins(audit_log, audit_end).items() if count > 1]
        return self.problems

    def wrap(self, editor):
        place = self.random.choice([place for place, spec in editor.specs.items() if spec is not None])
        return place, editor.wrap(place)

    def secrets(self):
        """Returns the names and uids of the Secrets whose providers break."""
        found = set()
        for namespace in {provider.namespace for provider in BROKEN}:
            for secret in self.api.list(secret_path(namespace) + f"?labelSelector={comparison.MANAGED}"):
                metadata = secret["metadata"]
                if any((namespace, owner["name"]) in self.touched for owner in metadata.get("ownerReferences", [])) and secret.get("data"):
                    found.add(f"{namespace}/{metadata['name']} ({metadata['uid']})")
        return found

    def change_untouched(self):
        """Changes a WrappedSecret of each editor whose provider does not break, and waits for their Secrets."""
        began = {}
        for editor in self.steady:
            place = self.random.choice(list(editor.specs))
            editor.write(place)
            began[place] = time.monotonic()
        for place in began:
            found = list(self.failures(place))
            while found and time.monotonic() - began[place] < LONGEST:
                time.sleep(0.02)
                found = list(self.failures(place))
            self.slowest = max(self.slowest, time.monotonic() - began[place])
            self.problems += [f"{'/'.join(place)} was not touched; {LONGEST} s after a change: {text}" for text in found]

    def failures(self, place):
        namespace, _ = place
        _, item = self.api.expect({200}, "GET", object_path(*place))
        status, secret = self.api.call("GET", secret_path(namespace, item["spec"]["template"]["metadata"]["name"]))
        return comparison.compare(item, secret if status == 200 else None, self.open_wrapped)

    def expect_failure(self, place, fault):
        """Waits until the WrappedSecret reports the fault; otherwise the run proves nothing."""
        end = time.monotonic() + 2 * LONGEST
        while True:
            _, item = self.api.expect({200}, "GET", object_path(*place))
            ready = comparison.condition(item) or {}
            is_current = item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"]
            if is_current and ready.get("reason") in fault.reasons:
                return
            if time.monotonic() > end:
                self.problems.append(f"{'/'.join(place)}: after {fault.name}, {' or '.join(fault.reasons)} is expected: {ready}")
                return
            time.sleep(0.02)


def blamed(log, untouched, offset=0, is_calm=False):
    """Yields the failures in the controller's log, from `offset` on, of untouched WrappedSecrets and providers that no fault of
    a server explains. While the servers are calm, that is every failure."""
    subjects = untouched | {str(provider) for provider in PROVIDERS if provider.is_steady}
    for line in lines(log, offset):
        if b'"not synced"' not in line and b'"key provider tested"' not in line:
            continue
        entry = json.loads(line)
        subject, reason, message = entry.get("object") or entry["provider"], entry["reason"], entry["message"]
        if subject not in subjects or reason in {"Ready", "NotTested"}:
            continue
        if is_calm or reason in OF_PROVIDERS or any(name in message for name in OF_OTHERS):
            yield f"{subject} was not touched and failed: {reason}: {message}"


def crossed(log):
    """Yields the lines of the controller's log about responses that belong to other requests."""
    for line in lines(log, 0):
        if b"the response is about another object" in line or b"the response belongs to another request" in line:
            yield f"a response went to another request: {line.decode(errors='replace').strip()}"


def logins(audit_log, offset):
    """Counts the logins of each role that is not touched, from `offset` on."""
    roles = {provider.key for provider in PROVIDERS if provider.is_steady}
    found = collections.Counter()
    for line in lines(audit_log, offset):
        if b'"auth/kubernetes/login"' in line:
            entry = json.loads(line)
            role = entry.get("auth", {}).get("metadata", {}).get("role")
            if entry["type"] == "response" and role in roles:
                found[role] += 1
    return found


def lines(path, offset):
    """Yields the complete lines."""
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if line.endswith(b"}\n"):
                yield line
