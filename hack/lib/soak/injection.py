"""The faults of a soak and when they happen: restarts of the replicas and of the servers, and bad networks."""

import collections
import dataclasses
import subprocess
import time

from faults import BAD, CALM, Conditions


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of the run."""

    name: str
    # Of the minutes of the whole run.
    share: float
    # The numbers of the replicas that are killed and terminated. The others live on, so that their growth can be measured.
    restarted: tuple


STAGES = [
    Stage("both restart", 0.1, (1, 2)),
    Stage("the second replica restarts, the first one lives on", 0.4, (2,)),
    Stage("both live on", 0.5, ()),
]
OUTAGE = next(conditions for conditions in BAD if conditions.name == "outage")
# Longer than the leader may fail to renew its lease (OPTIONS of soak.py).
CUT_OFF = dataclasses.replace(OUTAGE, name="cut off until the lease is lost")
CUT_OFF_SECONDS = 46
# Seconds that a restart of the API server may take while a replica has to live on: in one that takes longer, as on a busy
# machine, the leader would lose its lease.
LONGEST_RESTART = 25
# Kinds of faults, by which the plot colors them.
REPLICA, API_SERVER, OPENBAO, NETWORK = "replica restarted", "API server", "OpenBao", "network"


@dataclasses.dataclass(frozen=True)
class Mark:
    """A fault that happened."""

    time: float
    kind: str
    name: str


class Injector:
    """Injects one fault after the other: each fault of a server or replica once in a shuffled round, and the conditions of a
    network before each."""

    def __init__(self, servers, replicas, proxies, sampler, seeded, longest):
        """`proxies` are those before the API server by the number of the replica, and "OpenBao". `longest` limits the
        seconds between two faults."""
        self.servers = servers
        self.replicas = {replica.number: replica for replica in replicas}
        self.proxies = proxies
        self.sampler = sampler
        self.random = seeded
        self.longest = longest
        self.marks = []
        # The seconds of the slowest restart of the API server.
        self.slowest = 0

    def run(self, stages, seconds, on_pause):
        """Injects faults for `seconds`, of which each stage has its share. Calls `on_pause` between the faults. Returns the
        faults that could not be injected."""
        failures = []
        end = time.monotonic()
        for stage in stages:
            end += seconds * stage.share
            remaining = []
            while time.monotonic() < end:
                remaining = remaining or self.round(stage)
                kind, name, body = remaining.pop()
                if kind == API_SERVER and self.would_end_leader(stage):
                    continue
                failures += self.inject(kind, name, body)
                on_pause(stage)
                time.sleep(max(0, min(self.random.uniform(self.longest / 8, self.longest), end - time.monotonic())))
        return failures

    def inject(self, kind, name, body):
        """Injects a fault; returns why it could not be injected, if so."""
        self.marks.append(Mark(round(self.age, 1), kind, name))
        began = self.age
        try:
            body()
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            return [f"{name}: {str(error).splitlines()[0]}"]
        if kind == API_SERVER:
            self.slowest = max(self.slowest, self.age - began)
        return []

    def would_end_leader(self, stage):
        return self.slowest > LONGEST_RESTART and len(stage.restarted) < len(self.replicas)

    @property
    def age(self):
        return time.monotonic() - self.sampler.began

    def round(self, stage):
        """Returns the faults of a round, shuffled."""
        faults = [
            (API_SERVER, "API server restarted", self.servers.restart_api_server),
            (API_SERVER, "history compacted, API server restarted", self.expire_watches),
            (OPENBAO, "OpenBao restarted", self.servers.restart_openbao),
            (OPENBAO, "OpenBao sealed for a while", self.servers.seal_openbao),
        ]
        for number in stage.restarted:
            replica = self.replicas[number]
            faults += [
                (REPLICA, f"replica {number} killed", replica.kill),
                (REPLICA, f"replica {number} terminated", replica.terminate),
            ]
        if len(stage.restarted) == len(self.replicas):
            faults.append((REPLICA, "leader cut off from the API server", self.cut_off))
        for name in self.proxies:
            for conditions in self.random.sample(BAD, 2):
                faults.append((NETWORK, f"{self.network(name)}: {conditions.name}", lambda n=name, c=conditions: self.disturb(n, c)))
        return self.random.sample(faults, len(faults))

    @staticmethod
    def network(name):
        return name if name == "OpenBao" else f"API server of replica {name}"

    def disturb(self, name, conditions: Conditions, seconds=None):
        """Applies the conditions for a while, which is shorter than a leader needs to lose its lease."""
        self.proxies[name].change(conditions)
        time.sleep(seconds or self.random.uniform(3, min(12, self.longest)))
        self.proxies[name].change(CALM)

    def cut_off(self):
        leader = self.sampler.leader()
        if leader is not None:
            self.disturb(leader, CUT_OFF, CUT_OFF_SECONDS)

    def expire_watches(self):
        """Lets every watch that resumes find its version compacted (410)."""
        self.servers.script("cluster", "compact")
        self.servers.restart_api_server()

    def counts(self):
        return collections.Counter(mark.name for mark in self.marks)
