"""CPU time of processes. It repeats on a shared machine, where rates and latencies do not."""

import os
import time

TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pid):
    """Returns the user and system time of a process and its ended children, from /proc/PID/stat (proc(5), fields 14 to 17)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def server_pid(folder, name):
    """Returns the pid of a server that hack/cluster or hack/openbao started."""
    return int((folder / f"{name}.pid").read_text().split()[0])


class Phase:
    """Measures wall-clock time and the CPU time of several processes between `with` and its end.

    with Phase({"apiserver": 17}) as phase: ...
    phase.per(1000)   # {"apiserver": milliseconds of CPU for each of 1,000 objects}
    """

    def __init__(self, pids):
        self.pids = pids
        self.cpu = {}
        self.elapsed = 0.0

    def __enter__(self):
        self.began = time.monotonic()
        self.before = {name: seconds(pid) for name, pid in self.pids.items()}
        return self

    def __exit__(self, *error):
        self.elapsed = time.monotonic() - self.began
        self.cpu = {name: round(seconds(pid) - self.before[name], 3) for name, pid in self.pids.items()}

    def per(self, count):
        """Returns the CPU time of each process in milliseconds for each of `count` objects."""
        return {name: round(spent * 1000 / max(count, 1), 4) for name, spent in self.cpu.items()}


def text(per_object):
    return ", ".join(f"{name} {value:.2f} ms" for name, value in per_object.items())
