"""Starts, kills, restarts and measures the controller."""

import os
import signal
import statistics
import subprocess
import threading
import time

from process_memory import anonymous


class Lifetime:
    """One process of the controller."""

    def __init__(self, number):
        self.number = number
        self.began = time.monotonic()
        # Pairs: seconds since the start, MiB of anonymous memory.
        self.samples = []

    WARM_UP = 45
    SHORTEST = 150
    # Allocator fragmentation levels off; a leak does not.
    TOLERANCE = 0.15

    def quarters(self):
        """Returns the medians of the first and the last quarter after the warm-up, or None for a lifetime too short to judge."""
        settled = [size for age, size in self.samples if age >= self.WARM_UP]
        if not self.samples or self.samples[-1][0] < self.SHORTEST:
            return None
        quarter = max(1, len(settled) // 4)
        return statistics.median(settled[:quarter]), statistics.median(settled[-quarter:])

    @property
    def grows(self):
        found = self.quarters()
        return found is not None and found[1] > found[0] * (1 + self.TOLERANCE) + 4

    def __str__(self):
        if not self.samples:
            return f"lifetime {self.number}: too short to measure"
        sizes = [size for _, size in self.samples]
        text = f"lifetime {self.number}: {self.samples[-1][0]:.0f} s, memory up to {max(sizes):.0f} MiB"
        found = self.quarters()
        return text if found is None else f"{text}; after the warm-up {found[0]:.1f} MiB, at the end {found[1]:.1f} MiB"


class Controller:
    def __init__(self, command, environment, log):
        self.command = command
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("SB_", "BAO_", "VAULT_", "AWS_"))}
        self.environment.update(environment)
        self.log = log
        self.lifetimes = []
        self.process = None
        # Exit codes of processes that ended on their own.
        self.crashes = []
        self.lock = threading.Lock()
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        self.lifetimes.append(Lifetime(len(self.lifetimes) + 1))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self):
        """Kills the process with SIGKILL and starts another."""
        with self.lock:
            self.process.kill()
            self.process.wait()
            self.start()

    def stop(self):
        """Stops the process with SIGTERM, as Kubernetes does; returns its exit code."""
        with self.lock:
            process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def end(self):
        """Kills the process if it still runs."""
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def watch(self):
        while True:
            with self.lock:
                if self.process is None:
                    return
                if (code := self.process.poll()) is not None:
                    self.crashes.append(code)
                    self.start()
                lifetime, pid = self.lifetimes[-1], self.process.pid
                if (size := anonymous(pid)) is not None:
                    lifetime.samples.append((time.monotonic() - lifetime.began, size))
            time.sleep(1)
