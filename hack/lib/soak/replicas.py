"""Two replicas of the controller. Each is restarted whenever it ends, as a kubelet does, and has a log for each life."""

import dataclasses
import pathlib
import signal
import subprocess
import threading
import time

from controller import Controller

LEASE_LOST = "lost the lease"
LAST = "at the end of the run"


@dataclasses.dataclass
class Life:
    """One process of a replica."""

    replica: int
    number: int
    log: pathlib.Path
    began: float
    ended: float | None = None
    # Why it ended, and its exit code, which is negative after a signal.
    end: str | None = None
    code: int | None = None

    @property
    def name(self):
        return f"replica {self.replica}, process {self.number}"


class Replica:
    def __init__(self, number, command, environment, folder):
        self.number = number
        self.command = command
        self.environment = environment
        self.folder = folder
        self.lives = []
        self.stopped = threading.Event()
        self.lock = threading.RLock()
        self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self):
        number = len(self.lives) + 1
        log = self.folder / f"replica-{self.number}-process-{number}.log"
        self.process = Controller(self.command, self.environment, log)
        self.lives.append(Life(self.number, number, log, time.monotonic()))

    def current(self):
        """Returns the life and the process that belong together."""
        with self.lock:
            return self.lives[-1], self.process

    def kill(self):
        self.end("killed", signal.SIGKILL)
        self.start_again()

    def terminate(self):
        """Ends the process as Kubernetes does."""
        self.end("terminated", signal.SIGTERM)
        self.start_again()

    def stop(self):
        self.stopped.set()
        self.end(LAST, signal.SIGTERM)

    def end(self, why, number):
        with self.lock:
            life, child = self.lives[-1], self.process.process
            life.end = why
            if child.poll() is None:
                child.send_signal(number)
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                life.end = f"{why}, and did not end within 40 s"
                child.kill()
                child.wait()
            life.ended, life.code = time.monotonic(), child.returncode

    def start_again(self):
        with self.lock:
            if not self.stopped.is_set():
                self.start()

    def watch(self):
        """Restarts the process after it has ended on its own."""
        while not self.stopped.wait(0.5):
            with self.lock:
                life, child = self.lives[-1], self.process.process
                if life.end is None and child.poll() is not None:
                    life.ended, life.code = time.monotonic(), child.returncode
                    life.end = LEASE_LOST if has_lost_lease(life.log) else f"exited with {life.code}"
                    self.start_again()


def has_lost_lease(log):
    return b"no longer leading: work in flight is cancelled" in log.read_bytes()
