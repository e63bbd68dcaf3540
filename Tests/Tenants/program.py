"""Starts and stops the controller's process, and sends it HTTP requests."""

import http.client
import signal
import socket
import subprocess
import time

from cluster import BINARY, ENVIRONMENT
from prometheus_client.parser import text_string_to_metric_families


class Program:
    def __init__(self, cluster, name, settings, limit):
        """`limit` is a memory limit of memory_limit.py."""
        self.cluster, self.name, self.settings, self.limit = cluster, name, settings, limit
        self.log = cluster.folder.parent / f"{name}.log"
        self.process = None

    def start(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        command = [BINARY, "controller", "--kubeconfig", self.cluster.controller_kubeconfig, "--log-format", "json",
                   "--metrics-address", f"127.0.0.1:{self.port}"]  # fmt: skip
        command = [str(word) for word in command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.limit.command(command), env={**ENVIRONMENT, **self.settings},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)  # fmt: skip
        self.limit.watch(self.process)

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def get(self, path, timeout=5):
        """Returns status, body and elapsed seconds; the status is None without a response in time."""
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
            connection.close()
            return answer.status, body, time.monotonic() - began
        except (OSError, http.client.HTTPException):
            return None, "", time.monotonic() - began

    def metric(self, name, **labels):
        """Returns the sum over all series that have these labels."""
        status, page, _ = self.get("/metrics")
        assert status == 200
        return sum(sample.value for family in text_string_to_metric_families(page) for sample in family.samples
                   if sample.name == name and labels.items() <= sample.labels.items())  # fmt: skip

    def stop(self):
        """Stops the process as Kubernetes does."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.name} did not end within 40 s of SIGTERM") from None
        assert code == 0, f"{self.name} ended with {code}: {self.log.read_text(errors='replace')[-2000:]}"

    def kill(self):
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()
