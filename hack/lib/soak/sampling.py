"""Measures the replicas at intervals: memory, descriptors, threads and CPU time of the process, and its own metrics."""

import collections
import json
import os
import pathlib
import threading
import time

import process_memory
from controller import anonymous
from cpu import seconds
from prometheus_client.parser import text_string_to_metric_families

INTERVAL = 5
# The names of a sample: series of the metrics page whose sum it is, by name and labels.
METRICS = {
    "leads": ("secretsbridge_leader", {}),
    "queued": ("secretsbridge_workqueue_depth", {}),
    "syncs": ("secretsbridge_reconcile_total", {"result": "success"}),
    "failures": ("secretsbridge_reconcile_total", {"result": "failure"}),
    "retries": ("secretsbridge_reconcile_total", {"result": "retry"}),
    "kms_errors": ("secretsbridge_kms_errors_total", {}),
    "watch_restarts": ("secretsbridge_watch_restarts_total", {}),
    "descriptors": ("process_open_fds", {}),
}


def process_sample(pid):
    """Returns what the kernel counts for a process."""
    return {
        "memory": round(anonymous(pid), 3),
        "threads": process_memory.threads(pid),
        "thread_names": thread_names(pid),
        "cpu": seconds(pid),
        **descriptors(pid),
    }


def thread_names(pid):
    """Counts the threads by name."""
    found = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            found[(task / "comm").read_text().strip()] += 1
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return dict(sorted(found.items()))


def descriptors(pid):
    """Returns the number of open descriptors, or nothing: the kernel shows those of a protected process to root alone."""
    try:
        return {"descriptors": len(os.listdir(f"/proc/{pid}/fd"))}
    except PermissionError:
        return {}


def metrics_sample(page):
    """Returns the sums of METRICS, or nothing if the page could not be read."""
    if page is None:
        return {}
    sums = dict.fromkeys(METRICS, 0)
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            for name, (metric, labels) in METRICS.items():
                if sample.name == metric and labels.items() <= sample.labels.items():
                    sums[name] += sample.value
    return sums


class Sampler(threading.Thread):
    """Appends each sample to `samples` and, as a line of JSON, to a file."""

    def __init__(self, replicas, began, path):
        super().__init__(daemon=True)
        self.replicas = replicas
        self.began = began
        self.path = path
        self.samples = []
        self.stopped = threading.Event()

    def run(self):
        with self.path.open("w") as file:
            while not self.stopped.wait(INTERVAL):
                for replica in self.replicas:
                    found = self.sample(replica)
                    if found:
                        self.samples.append(found)
                        file.write(json.dumps(found) + "\n")
                file.flush()

    def sample(self, replica):
        """Returns a sample, or None if the process has just ended."""
        life, process = replica.current()
        try:
            found = {
                "time": round(time.monotonic() - self.began, 2),
                "age": round(time.monotonic() - life.began, 2),
                "replica": life.replica,
                "process": life.number,
                # Before the page is read, which opens a connection.
                **process_sample(process.process.pid),
            }
        except (OSError, TypeError):
            return None
        return {**metrics_sample(process.get("/metrics")), **found}

    def leader(self):
        """Returns the number of the replica that led at the last sample, or None."""
        last = {found["replica"]: found for found in self.samples[-len(self.replicas) :]}
        return next((number for number, found in last.items() if found.get("leads")), None)
