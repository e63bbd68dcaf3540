"""The run of hack/soak, which starts the servers. All random choices come from one seed; timing depends on the machine."""

import argparse
import dataclasses
import pathlib
import random
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
# hack/chaos has a controller.py too: that of hack/bench is meant.
sys.path[1:1] = [str(ROOT / "hack/lib/bench"), str(ROOT / "hack/lib/chaos"), str(ROOT / "hack/lib"), str(ROOT / "Tests/Clients")]

import comparison  # noqa: E402
import machine  # noqa: E402
import results  # noqa: E402
from cpu import server_pid  # noqa: E402
from faults import CALM  # noqa: E402
from injection import STAGES, Injector  # noqa: E402
from judgement import findings_of_coverage, findings_of_life, findings_of_quiet_time, of_life  # noqa: E402
from population import Population  # noqa: E402
from replicas import Replica  # noqa: E402
from sampling import Sampler  # noqa: E402
from servers import Servers  # noqa: E402

# Four times the default: a leader keeps its lease while the API server restarts on a busy machine, so that it lives long
# enough to be judged.
OPTIONS = ["--leader-elect", "--leader-elect-namespace", "secrets-bridge", "--leader-elect-lease-duration", "60s",
           "--leader-elect-renew-deadline", "40s", "--metrics-address", "127.0.0.1:0", "--log-format", "json"]  # fmt: skip
# Seconds after the last fault until everything has to be in sync. Intervals between retries grow up to five minutes.
PATIENCE = 600
# Seconds until the quiet time: a Secret that another writer changed without effect is recorded in the status after a minute.
SETTLING = 75


def log(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.seconds = options.minutes * 60
        self.servers = Servers(options.cluster, options.openbao, options.folder, self.random)
        self.replicas = []
        self.problems = []

    def prepare(self):
        pids = {name: server_pid(self.options.cluster, name) for name in ("apiserver", "etcd")}
        self.machine = machine.describe({**pids, "openbao": server_pid(self.options.openbao, "bao")}, self.options.binary)
        numbers = (1, 2)
        self.proxies = {number: self.servers.api_proxy() for number in numbers}
        self.proxies["OpenBao"] = self.servers.kms_proxy()
        kms_address = f"https://127.0.0.1:{self.proxies['OpenBao'].port}"
        self.population = Population(self.servers, kms_address, self.options.objects, self.options.rate, self.longest_pause * 2)
        for number in numbers:
            kubeconfig = self.servers.kubeconfig(self.proxies[number], f"kubeconfig-{number}")
            command = [self.options.binary, "controller", "--kubeconfig", kubeconfig, *OPTIONS]
            self.replicas.append(Replica(number, command, self.servers.kms_settings(kms_address), self.options.folder))
        self.sampler = Sampler(self.replicas, self.replicas[0].lives[0].began, self.options.folder / "samples.jsonl")
        self.sampler.start()
        self.injector = Injector(self.servers, self.replicas, self.proxies, self.sampler, self.random, self.longest_pause)

    @property
    def longest_pause(self):
        return min(40, self.seconds / 24)

    @property
    def age(self):
        return time.monotonic() - self.sampler.began

    # The parts of a run

    def create(self):
        self.population.start()
        while not self.population.is_complete:
            time.sleep(0.5)
        self.created = self.age
        log(f"   {self.created:.0f} s: {self.options.objects} objects were created")

    def disturb(self):
        self.reported = time.monotonic()
        self.problems += self.injector.run(STAGES, self.seconds, self.progress)
        for proxy in self.proxies.values():
            proxy.change(CALM)
            proxy.break_all()
        self.problems += self.population.stop()
        self.calm = self.age
        log(f"   {self.calm:.0f} s: the changes and faults end; the slowest restart of the API server took {self.injector.slowest:.0f} s")

    def converge(self):
        """Waits until everything is in sync; returns the differences that are left."""
        self.population.prepare_comparison()
        while True:
            left = self.population.differences()
            took = self.age - self.calm
            if not left or took > PATIENCE:
                log(f"   {took:.0f} s after the last fault: {len(left)} differences")
                self.converged = took
                return left
            time.sleep(2)

    def rest(self):
        """Waits while nothing happens, and compares the end with the start."""
        time.sleep(SETTLING)
        self.quiet = [self.age, self.age]
        before = self.population.versions()
        time.sleep(max(60, self.seconds / 20))
        self.quiet_writes = comparison.needless_writes(before, self.population.versions())
        self.quiet[1] = self.age
        return [*self.quiet_writes, *findings_of_quiet_time(self.replicas, self.sampler.samples, self.quiet)]

    def run(self):
        self.prepare()
        self.create()
        self.disturb()
        self.left = self.converge()
        self.problems += self.left
        self.problems += self.rest()
        self.sampler.stopped.set()
        self.sampler.join(60)
        for replica in self.replicas:
            replica.stop()
        self.lives = [life for replica in self.replicas for life in replica.lives]
        self.problems += self.population.leaks({f"the log of {life.name}": life.log.read_text(errors="replace") for life in self.lives})
        for life in self.lives:
            self.problems += findings_of_life(life, self.sampler.samples, self.created)
        longest = max(stage.share for stage in STAGES) * self.seconds
        self.problems += findings_of_coverage(self.replicas, self.sampler.samples, self.created, longest)
        self.report()
        return not self.problems

    # The report

    def progress(self, stage):
        if time.monotonic() - self.reported >= 60:
            self.reported = time.monotonic()
            last = self.sampler.samples[-1] if self.sampler.samples else {"memory": 0}
            log(f"   {self.age:.0f} s ({stage.name}): {self.population.changes.total()} changes, {len(self.injector.marks)} faults, "
                f"{sum(len(replica.lives) for replica in self.replicas)} processes; {last['memory']:.0f} MiB")  # fmt: skip

    def figures(self):
        population, options = self.population, self.options
        changes = population.changes
        of_lives = [results.process_figures(life, of_life(self.sampler.samples, life), self.created) for life in self.lives]
        return {
            "machine": self.machine, "seed": options.seed, "minutes": options.minutes,
            "objects": options.objects, "merge_targets": len(population.merging.theirs),
            "of_providers": sum(len(editor.specs) for editor in population.of_providers), "bytes": population.bytes(),
            "changes": changes.total(), "changes_by_kind": dict(changes.most_common()),
            "changes_per_second": round((changes.total() - changes["created"]) / self.seconds, 1),
            "faults": dict(sorted(self.injector.counts().items())), "provider_faults": population.provider_faults.total(),
            "processes": len(self.lives), "slowest_restart_seconds": round(self.injector.slowest), "converged_seconds": round(self.converged), "differences": len(self.left),
            "quiet_writes": len(self.quiet_writes), "marks": [dataclasses.astuple(mark) for mark in self.injector.marks],
            "quiet": self.quiet, "findings": self.problems, "lives": [one for one in of_lives if one],
        }  # fmt: skip

    def report(self):
        result = self.figures()
        plot = results.write(result, self.sampler.samples, self.injector.marks, self.quiet, self.options.folder, self.options.record)
        for name in ("changes_by_kind", "faults"):
            log(f"{name.replace('_', ' ')}: " + ", ".join(f"{what} {count}" for what, count in result[name].items()))
        for one in result["lives"]:
            memory = one["growth"]["memory"]
            growth = f"; memory {results.growth_text(memory, 1)} MiB an hour" if memory else ""
            log(f"   replica {one['replica']}, process {one['process']}: {one['minutes']} min, {one['end']}; {one['syncs']} syncs, "
                f"at most {one['memory_highest']} MiB{growth}")  # fmt: skip
        for problem in self.problems[:60]:
            log(f"   finding: {problem}")
        if len(self.problems) > 60:
            log(f"   and {len(self.problems) - 60} more")
        log(f"the plot: {plot}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True)
    for name in ("objects", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--record", action="store_true")
    for name in ("binary", "cluster", "openbao", "folder"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    # SIGTERM ends this process by an exception, so that the replicas end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run(parser.parse_args())
    try:
        passed = run.run()
    finally:
        for replica in run.replicas:
            replica.stop()
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
