"""One process of the controller: its metrics, its memory, and its requests in the audit logs."""

import atexit
import datetime
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import process_memory


class Controller:
    def __init__(self, command, environment, log, limit=None):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SB_", "BAO_", "VAULT_", "AWS_"))}
        self.log = log
        self.log.write_bytes(b"")
        self.began = time.monotonic()
        self.started_at = datetime.datetime.now(datetime.UTC)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                limit.command(command) if limit else command, env={**inherited, **environment},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        # A scenario that fails leaves no controller behind.
        atexit.register(self.process.kill)
        if limit:
            limit.watch(self.process)
        self.port = None

    def get(self, page):
        """Returns the page's text, or None if the status is not 200."""
        if self.port is None:
            found = re.search(r'"port":"(\d+)"', self.log.read_text())
            if found is None:
                return None
            self.port = found.group(1)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=20) as answer:
                return answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None

    def metric(self, name, **labels):
        """Returns the sum of the series that have at least these labels."""
        page = self.get("/metrics") or ""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        return sum(float(value) for found, text, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", page, re.MULTILINE)
                   if found == name and wanted <= set(text.split(",")))

    def until(self, condition, pause=0.01, patience=1800):
        """Waits until the condition holds; returns the seconds since the start."""
        while not condition():
            if self.process.poll() is not None:
                sys.exit(f"error: the controller exited with {self.process.returncode}: {self.log.read_text()[-2000:]}")
            if time.monotonic() - self.began > patience:
                sys.exit(f"error: the controller made no progress for {patience} s: {self.log.read_text()[-2000:]}")
            time.sleep(pause)
        return time.monotonic() - self.began

    def until_ready(self, pause=0.01):
        return self.until(lambda: self.get("/readyz") is not None, pause)

    def synced(self):
        return self.metric("secretsbridge_wrappedsecrets", ready="True", reason="Synced")

    def until_synced(self, count):
        return self.until(lambda: self.synced() >= count, pause=0.25)

    def until_idle(self, count):
        """Waits until every object was looked at: the start queues those that are not in sync."""

        def is_idle():
            starts = [json.loads(line) for line in self.log.read_text().splitlines() if '"queued"' in line]
            return (sum(int(start["wrappedsecrets"]) for start in starts) >= count
                    and self.metric("secretsbridge_reconcile_total", result="success", reason="") >= sum(int(start["queued"]) for start in starts)
                    and self.metric("secretsbridge_workqueue_depth") == 0)  # fmt: skip

        return self.until(is_idle, pause=0.01)

    def memory(self):
        """Returns resident and anonymous memory in MiB after it settled."""
        time.sleep(5)
        pid = self.process.pid
        return {"resident_mib": round(process_memory.resident(pid), 1), "anonymous_mib": round(anonymous(pid), 1)}

    def stop(self):
        atexit.unregister(self.process.kill)
        self.process.terminate()
        if self.process.wait(60) != 0:
            sys.exit(f"error: the controller exited with {self.process.returncode}: {self.log.read_text()[-2000:]}")


def anonymous(pid):
    """Returns the anonymous memory in MiB: from smaps_rollup, which counts exactly, or from status, which may lag."""
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Anonymous:\s+(\d+)", text, re.MULTILINE).group(1)) / 1024
    except (OSError, AttributeError):
        return process_memory.anonymous(pid)


class AuditLog:
    """Yields the lines that are appended to a file."""

    def __init__(self, path):
        self.path = path
        self.start = path.stat().st_size if path.exists() else 0

    def entries(self):
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.start)
            return [json.loads(line) for line in file if line.endswith(b"\n")]


def by_verb(entries):
    """Returns the number of requests to the API server by verb and resource."""
    verbs = {}
    for one in entries:
        what = f"{one['verb']} {one.get('objectRef', {}).get('resource', '')}".strip()
        verbs[what] = verbs.get(what, 0) + 1
    return dict(sorted(verbs.items()))


def writes(verbs):
    return sum(count for what, count in verbs.items() if what.split()[0] not in {"get", "list", "watch"} and "selfsubject" not in what)
