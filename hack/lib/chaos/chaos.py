"""What hack/chaos runs, once servers and programs are there; see there.

Everything is drawn from one seed; how it plays out depends on the machine as well, so a seed repeats the kind of a run
rather than the run.
"""

import argparse
import base64
import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[1:1] = [str(ROOT / "hack/lib"), str(ROOT / "Tests/Clients")]

import certificate  # noqa: E402
import verdict  # noqa: E402
import wrapped_secret  # noqa: E402
from controller import Controller  # noqa: E402
from hostile import HostileTenant  # noqa: E402
from kubernetes_api import API  # noqa: E402
from people import CANARY, Person  # noqa: E402
from proxy import Proxy, kubernetes_answer, vault_answer  # noqa: E402
from weather import BAD, CALM  # noqa: E402

NAMESPACES = ["chaos-a", "chaos-b", "chaos-c"]
PEOPLE = 6


def say(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.folder = options.folder
        self.events = collections.Counter()
        kubeconfig = yaml.safe_load((options.cluster / "admin.kubeconfig").read_text())
        self.server = kubeconfig["clusters"][0]["cluster"]["server"]
        self.api = API(self.server, options.cluster / "pki")
        # What people do must not wait for the KMS to be asked by others: a client each.
        os.environ.update(KMS="vault", VAULT_ADDR=os.environ["BAO_ADDR"], VAULT_CACERT=os.environ["BAO_CACERT"])
        os.environ["VAULT_TOKEN"] = self.script("openbao", "token", "developer").strip()
        self.opened = {}

    def script(self, name, *arguments):
        folder = {"cluster": self.options.cluster, "openbao": self.options.openbao}[name]
        done = subprocess.run(
            [ROOT / "hack" / name, *arguments, "--dir", folder], capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"hack/{name} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def prepare(self):
        for namespace in NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.api.expect({201, 409}, "POST", "/api/v1/namespaces", body)
        pem = certificate.make(self.folder / "proxy.pem")
        ports = {name: int(url.rsplit(":", 1)[1]) for name, url in (("api", self.server), ("kms", os.environ["BAO_ADDR"]))}
        self.proxies = {
            "API server": Proxy(
                ("127.0.0.1", ports["api"]), self.options.cluster / "pki/ca.crt", self.folder / "proxy.pem",
                kubernetes_answer, self.random.random(),
            ),
            "OpenBao": Proxy(
                ("127.0.0.1", ports["kms"]), os.environ["BAO_CACERT"], self.folder / "proxy.pem", vault_answer,
                self.random.random(),
            ),
        }  # fmt: skip
        self.controller = Controller(self.command(pem), self.environment(pem), self.folder / "controller.log")

    def command(self, pem):
        path = self.folder / "kubeconfig"
        self.script("cluster", "kubeconfig-for", "secrets-bridge", "secrets-bridge", str(path))
        kubeconfig = yaml.safe_load(path.read_text())
        cluster = kubeconfig["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{self.proxies['API server'].port}"
        known = base64.b64decode(cluster["certificate-authority-data"])
        cluster["certificate-authority-data"] = base64.b64encode(known + pem.encode()).decode()
        path.write_text(yaml.safe_dump(kubeconfig))
        return [self.options.binary, "controller", "--kubeconfig", path, "--metrics-address", "off", "--no-leader-elect", "--log-format", "json"]

    def environment(self, pem):
        token = subprocess.run(
            [os.environ["KUBECTL"], "--kubeconfig", self.options.cluster / "admin.kubeconfig", "-n", "secrets-bridge", "create",
             "token", "secrets-bridge", "--audience=vault", "--duration=24h"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        (self.folder / "vault-token").write_text(token)
        (self.folder / "vault-ca.pem").write_text(pathlib.Path(os.environ["BAO_CACERT"]).read_text() + pem)
        return {
            "SB_KMS_BACKEND": "vault-transit",
            "SB_KMS_VAULT_ADDR": f"https://127.0.0.1:{self.proxies['OpenBao'].port}",
            "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_CACERT": str(self.folder / "vault-ca.pem"),
            "SB_KMS_VAULT_AUTH": "kubernetes",
            "SB_KMS_VAULT_ROLE": "secrets-bridge",
            "SB_KMS_VAULT_SA_TOKEN_FILE": str(self.folder / "vault-token"),
        }

    def people(self):
        places = [(NAMESPACES[index % len(NAMESPACES)], f"db-{index}") for index in range(self.options.objects)]
        for index in range(PEOPLE):
            yield Person(
                self.api, wrapped_secret.Vault(), wrapped_secret.make_wrapped, places[index::PEOPLE],
                self.random.random(), self.options.pause * PEOPLE,
            )  # fmt: skip

    def faults(self):
        """For ever: what happens to the servers, each in its turn of a shuffled round, and weather twice between."""
        servers = {
            "API server restarted": lambda: self.script("cluster", "restart-apiserver"),
            "OpenBao restarted": self.restart_openbao,
            "OpenBao sealed for a while": self.seal_openbao,
            "controller killed": self.controller.kill,
        }
        while True:
            for what in self.random.sample(list(servers), len(servers)):
                for _ in range(2):
                    name = self.random.choice(list(self.proxies))
                    weather = self.random.choice(BAD + [CALM] * 3)
                    yield f"{name}: {weather.name}", lambda n=name, w=weather: self.proxies[n].change(w)
                yield what, servers[what]

    def disturb(self, seconds, people):
        """Faults, for so long. In the last two fifths the controller is not killed, so that its memory can be told."""
        began = said = time.monotonic()
        longest = min(8, seconds / 12)
        for what, body in self.faults():
            age = time.monotonic() - began
            if age >= seconds:
                return
            if time.monotonic() - said >= 60:
                said = time.monotonic()
                self.progress(age, people)
            if what != "controller killed" or age < seconds * 0.6:
                self.event(what, body)
            time.sleep(max(0, min(self.random.uniform(longest / 8, longest), seconds - (time.monotonic() - began))))

    def event(self, what, body):
        self.events[what] += 1
        if self.options.verbose:
            say(f"   {what}")
        body()

    def restart_openbao(self):
        self.script("openbao", "stop")
        time.sleep(self.random.uniform(0, 5))
        self.script("openbao", "start")

    def seal_openbao(self):
        self.script("openbao", "seal")
        time.sleep(self.random.uniform(1, 8))
        self.script("openbao", "unseal")

    def open_wrapped(self, manifest):
        key = (manifest["metadata"]["namespace"], manifest["spec"]["mac"])
        if key not in self.opened:
            self.opened[key] = wrapped_secret.open_wrapped(self.reader, manifest)
        return self.opened[key]

    def settle(self, people, limit=240):
        """Faults have ended. What is still wrong after `limit` seconds."""
        os.environ["VAULT_TOKEN"] = self.script("openbao", "token", "controller").strip()
        self.reader = wrapped_secret.Vault()
        wanted = {place: spec for person in people for place, spec in person.specs.items()}
        began = time.monotonic()
        while True:
            problems = verdict.differences(self.api, NAMESPACES, wanted, self.open_wrapped)
            took = time.monotonic() - began
            if not problems or took > limit:
                say(f"   {took:.0f} s after the faults had ended: {len(problems)} of {len(wanted)} objects not as they should be")
                return problems
            time.sleep(1)

    def leaks(self):
        """Where a value that was wrapped is to be read and should not be."""
        marks = [CANARY, base64.b64encode(CANARY.encode()).decode()[:9]]
        texts = {"the controller's log": (self.folder / "controller.log").read_text(errors="replace")}
        for namespace in NAMESPACES:
            texts[f"the objects of {namespace}"] = str(self.api.list(verdict.object_path(namespace)))
            texts[f"the events of {namespace}"] = str(self.api.list(f"/api/v1/namespaces/{namespace}/events"))
        return [f"a value is in {where}" for where, text in texts.items() if any(mark in text for mark in marks)]

    def unrest(self):
        """What is written though nothing changes."""
        before = verdict.versions(self.api, NAMESPACES)
        time.sleep(10)
        after = verdict.versions(self.api, NAMESPACES)
        changed = [path for (path, uid), version in after.items() if before.get((path, uid)) != version]
        return [f"{path}: {count} objects are written though nothing changes" for path, count in collections.Counter(changed).items()]

    def run(self):
        self.prepare()
        people = list(self.people())
        hostile = HostileTenant(self.api, wrapped_secret.Vault(), wrapped_secret.make_wrapped, self.random.random())
        for person in [*people, hostile]:
            person.start()
        self.disturb(self.options.minutes * 60, people)
        say("   the faults end")
        for proxy in self.proxies.values():
            proxy.change(CALM)
            proxy.break_all()
        # What the hostile tenant left behind stays there while all is compared.
        for person in [*people, hostile]:
            person.stopped.set()
        for person in [*people, hostile]:
            person.join(120)
        problems = [f"a writer stopped: {person.failure!r}" for person in people if person.failure or person.is_alive()]
        problems += hostile.problems()
        problems += self.settle(people)
        problems += self.unrest()
        problems += self.leaks()
        code = self.controller.stop()
        if code != 0:
            problems.append(f"the controller ended with {code}")
        problems += [f"the controller ended by itself, with {code}" for code in self.controller.crashes]
        problems += [f"memory grows: {lifetime}" for lifetime in self.controller.lifetimes if lifetime.grows]
        self.report(people, hostile, problems)
        return not problems

    def end(self):
        if hasattr(self, "controller"):
            self.controller.end()

    def progress(self, age, people):
        done = sum(person.done.total() for person in people)
        size = self.controller.lifetimes[-1].samples[-1:]
        memory = f"; memory {size[0][1]:.0f} MiB" if size else ""
        say(f"   {age:.0f} s: {done} acts of people, {self.events.total()} of the servers'; controller {len(self.controller.lifetimes)}{memory}")

    def report(self, people, hostile, problems):
        def table(title, counts):
            say(f"{title}: " + (", ".join(f"{what} {count}" for what, count in counts.most_common()) or "none"))

        table("People", sum((person.done for person in people), collections.Counter()))
        table("Hostile tenant", hostile.done)
        table("Attacks that a fault stopped", hostile.failures)
        table("Servers", self.events)
        for name, proxy in self.proxies.items():
            table(f"On the way to {name}", proxy.faults)
        say("Anonymous memory:")
        for lifetime in self.controller.lifetimes:
            say(f"   {lifetime}")
        for problem in problems[:40]:
            say(f"   wrong: {problem}")
        if len(problems) > 40:
            say(f"   and {len(problems) - 40} more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--pause", type=float, required=True)
    parser.add_argument("--verbose", action="store_true")
    for name in ("binary", "cluster", "openbao", "folder"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    # Whoever ends this ends the controller with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(parser.parse_args())
    try:
        passed = run.run()
    finally:
        run.end()
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
