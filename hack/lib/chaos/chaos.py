"""The run of hack/chaos, which starts the servers.

All random choices come from one seed. Timing depends on the machine, so a seed repeats the kind of a run, not the run.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[1:1] = [str(ROOT / "hack/lib"), str(ROOT / "Tests/Clients")]

import comparison  # noqa: E402
import wrapped_secret  # noqa: E402
from controller import Controller  # noqa: E402
from edits import CANARY, Editor, HostileTenant  # noqa: E402
from faults import BAD, CALM  # noqa: E402
from isolation import BROKEN, Isolation, blamed, crossed  # noqa: E402
from providers import ProviderFaults  # noqa: E402
from servers import Servers  # noqa: E402
from tenants import PROVIDERS, TEAM_C, Tenants  # noqa: E402
from tenants import NAMESPACES as TENANTS  # noqa: E402

# Of the WrappedSecrets with the default key: one is also that of a tenant whose provider breaks.
NAMESPACES = ["chaos-a", "chaos-b", TEAM_C]
ALL_NAMESPACES = sorted({*NAMESPACES, *TENANTS})
EDITORS = 6


def log(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = options.folder
        self.injected = collections.Counter()
        self.servers = Servers(options.cluster, options.openbao, options.folder, self.random)
        self.api = self.servers.api

    def prepare(self):
        for namespace in ALL_NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.api.expect({201, 409}, "POST", "/api/v1/namespaces", body)
        self.proxies = {"API server": self.servers.api_proxy(), "OpenBao": self.servers.kms_proxy()}
        command = [
            self.options.binary, "controller", "--kubeconfig", self.servers.kubeconfig(self.proxies["API server"]),
            "--metrics-address", "off", "--no-leader-elect", "--log-format", "json",
        ]  # fmt: skip
        self.controller = Controller(command, self.servers.kms_settings(self.kms_address), self.folder / "controller.log")
        self.tenants = Tenants(
            self.api, self.kms_address, (self.folder / "vault-ca.pem").read_text(), self.servers.authorities.read_text()
        )
        self.tenants.prepare()
        self.tenants.wait_until_ready()
        # Before that, a KeyProvider may have been seen before its ClusterKeyProvider: they have a watch each.
        self.prepared_log = self.controller.log.stat().st_size

    @property
    def kms_address(self):
        return f"https://127.0.0.1:{self.proxies['OpenBao'].port}"

    def editors(self):
        places = [(NAMESPACES[index % len(NAMESPACES)], f"db-{index}") for index in range(self.options.objects)]
        for index in range(EDITORS):
            yield Editor(
                self.api, wrapped_secret.Vault(), wrapped_secret.make_wrapped, places[index::EDITORS],
                self.random.random(), self.options.pause * EDITORS,
            )  # fmt: skip

    def provider_editors(self):
        """Returns an editor for each provider."""
        count = max(4, self.options.objects // 20)
        return {
            provider: Editor(
                self.api, wrapped_secret.Vault(provider.key, os.environ["BAO_TOKEN"]), wrapped_secret.make_wrapped,
                [(provider.namespace, f"{provider.name}-{index}") for index in range(count)],
                self.random.random(), 2 * self.options.pause * EDITORS, provider.reference,
            )
            for provider in PROVIDERS
        }  # fmt: skip

    def faults(self):
        """Yields faults without end: each fault of a server once in a shuffled round, and two changes of a proxy before each."""
        servers = {
            "API server restarted": self.servers.restart_api_server,
            "OpenBao restarted": self.servers.restart_openbao,
            "OpenBao sealed for a while": self.servers.seal_openbao,
            "controller killed": self.controller.kill,
        }
        while True:
            for what in self.random.sample(list(servers), len(servers)):
                for _ in range(2):
                    name = self.random.choice(list(self.proxies))
                    conditions = self.random.choice(BAD + [CALM] * 3)
                    yield f"{name}: {conditions.name}", lambda n=name, c=conditions: self.proxies[n].change(c)
                yield what, servers[what]

    def inject_faults(self, seconds, editors):
        """Injects faults for `seconds`. The controller is not killed in the last two fifths, so that its memory can be judged."""
        began = reported = time.monotonic()
        longest = self.longest_pause
        for fault, body in self.faults():
            age = time.monotonic() - began
            if age >= seconds:
                return
            if time.monotonic() - reported >= 60:
                reported = time.monotonic()
                self.progress(age, editors)
            if fault != "controller killed" or age < seconds * 0.6:
                self.inject(fault, body)
            time.sleep(max(0, min(self.random.uniform(longest / 8, longest), seconds - (time.monotonic() - began))))

    @property
    def longest_pause(self):
        return min(8, self.options.minutes * 60 / 12)

    def inject(self, fault, body):
        self.injected[fault] += 1
        if self.options.verbose:
            log(f"   {fault}")
        body()

    def prepare_comparison(self):
        readers = [wrapped_secret.Vault(token=self.servers.script("openbao", "token", "controller").strip())]
        readers += [wrapped_secret.Vault(provider.key, os.environ["BAO_TOKEN"]) for provider in PROVIDERS]
        self.open_wrapped = comparison.Opener(readers, wrapped_secret.open_wrapped)

    def wait_until_converged(self, editors, reasons=("Ready",), limit=240):
        """Waits until the cluster is as expected; returns the differences that are left after `limit` seconds. `reasons` are
        those that a provider may have."""
        wanted = {place: spec for editor in editors for place, spec in editor.specs.items()}
        began = time.monotonic()
        last = []
        while True:
            problems = comparison.differences(self.api, ALL_NAMESPACES, wanted, self.open_wrapped)
            problems += self.tenants.not_ready(PROVIDERS, reasons)
            took = time.monotonic() - began
            if not problems or took > limit:
                log(f"   {took:.0f} s after the last fault: {len(problems)} differences, {len(wanted)} objects")
                if took > 30:
                    log(f"   the last to converge: {'; '.join(last[:5])}")
                return problems
            last = problems
            time.sleep(1)

    def leaks(self):
        """Returns the places where a wrapped value leaked."""
        log = (self.folder / "controller.log").read_text(errors="replace")
        return comparison.leaks(self.api, ALL_NAMESPACES, CANARY, {"the controller's log": log})

    def needless_writes(self):
        """Returns what the controller writes although nothing changes."""
        before = comparison.versions(self.api, ALL_NAMESPACES)
        time.sleep(10)
        return comparison.needless_writes(before, comparison.versions(self.api, ALL_NAMESPACES))

    def run(self):
        self.prepare()
        of_default_key, of_providers = list(self.editors()), self.provider_editors()
        editors = [*of_default_key, *of_providers.values()]
        hostile = HostileTenant(self.api, wrapped_secret.Vault(), wrapped_secret.make_wrapped, self.random.random())
        breaking = [ProviderFaults(self.tenants, provider, self.random.random(), self.longest_pause) for provider in BROKEN]
        writers = [*editors, *breaking, hostile]
        for writer in writers:
            writer.start()
        self.inject_faults(self.options.minutes * 60, editors)
        log("   the faults end")
        for proxy in self.proxies.values():
            proxy.change(CALM)
            proxy.break_all()
        # The hostile tenant's objects stay in the cluster during the comparison.
        for writer in writers:
            writer.stopped.set()
        for writer in writers:
            writer.join(120)
        problems = [f"a writer stopped: {writer.failure!r}" for writer in [*editors, *breaking] if writer.failure or writer.is_alive()]
        problems += hostile.problems()
        self.prepare_comparison()
        # A provider that was created again is tested by the next change of a WrappedSecret.
        left = self.wait_until_converged(editors, reasons=("Ready", "NotTested"))
        isolation = Isolation(
            self.api, breaking, of_providers, of_default_key, self.open_wrapped, self.folder / "controller.log", self.random
        )
        problems += [*left, *blamed(isolation.log, isolation.untouched, self.prepared_log)]
        if not left:
            problems += isolation.run()
            log(f"   providers broke and were repaired; changes of others needed up to {isolation.slowest:.1f} s")
            problems += self.wait_until_converged(editors)
        problems += self.needless_writes()
        problems += self.leaks()
        problems += crossed(isolation.log)
        code = self.controller.stop()
        if code != 0:
            problems.append(f"the controller exited with {code}")
        problems += [f"the controller exited on its own with {code}" for code in self.controller.crashes]
        problems += [f"memory grows: {lifetime}" for lifetime in self.controller.lifetimes if lifetime.grows]
        self.report(editors, breaking, hostile, problems)
        return not problems

    def end(self):
        if hasattr(self, "controller"):
            self.controller.end()

    def progress(self, age, editors):
        done = sum(editor.done.total() for editor in editors)
        size = self.controller.lifetimes[-1].samples[-1:]
        memory = f"; memory {size[0][1]:.0f} MiB" if size else ""
        log(f"   {age:.0f} s: {done} edits, {self.injected.total()} faults; controller process {len(self.controller.lifetimes)}{memory}")

    def report(self, editors, breaking, hostile, problems):
        def table(title, counts):
            log(f"{title}: " + (", ".join(f"{what} {count}" for what, count in counts.most_common()) or "none"))

        table("Edits", sum((editor.done for editor in editors), collections.Counter()))
        table("Hostile tenant", hostile.done)
        table("Attacks that a fault stopped", hostile.failures)
        table("Faults", self.injected)
        table("Faults of providers", sum((thread.done for thread in breaking), collections.Counter()))
        for name, proxy in self.proxies.items():
            table(f"Faults between controller and {name}", proxy.faults)
        log("Anonymous memory:")
        for lifetime in self.controller.lifetimes:
            log(f"   {lifetime}")
        for problem in problems[:40]:
            log(f"   wrong: {problem}")
        if len(problems) > 40:
            log(f"   and {len(problems) - 40} more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pause", type=float, required=True)
    parser.add_argument("--verbose", action="store_true")
    for name in ("binary", "cluster", "openbao", "folder"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    # SIGTERM ends this process by an exception, so that the controller ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(parser.parse_args())
    try:
        passed = run.run()
    finally:
        run.end()
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
