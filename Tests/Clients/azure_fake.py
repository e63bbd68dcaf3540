"""Starts hack/lib/azure_server.py and sends commands to it. Importing it makes names below `.localhost` resolve, which the
system's resolver may not do."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
resolve = socket.getaddrinfo


def resolve_localhost(host, *arguments, **options):
    return resolve("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *arguments, **options)


socket.getaddrinfo = resolve_localhost


class AzureFake:
    def __init__(self, port, metadata_port, folder):
        self.port, self.folder = port, folder
        self.ca = os.path.join(folder, "ca.pem")
        self.authority = f"https://login.localhost:{port}"
        self.metadata = f"http://127.0.0.1:{metadata_port}"

    def do(self, command, **arguments):
        """Sends a command of azure_server.Control."""
        body = json.dumps({"do": command, **arguments}).encode()
        with urllib.request.urlopen(f"{self.metadata}/control", data=body, timeout=10) as response:
            return json.load(response)

    def vault(self, name, kind="vault"):
        return f"https://{name}.{'managedhsm' if kind == 'hsm' else 'vault'}.localhost:{self.port}"

    def requests(self, **wanted):
        """Returns the requests with these properties."""
        log = self.do("requests")["requests"]
        return [entry for entry in log if all(entry.get(name) == value for name, value in wanted.items())]


@contextlib.contextmanager
def running():
    """Runs a server with nothing in it."""
    with tempfile.TemporaryDirectory(prefix="sb-azure-") as folder:
        process = subprocess.Popen([sys.executable, str(ROOT / "hack/lib/azure_server.py"), "0", folder], stdin=subprocess.DEVNULL)
        try:
            ready = pathlib.Path(folder, "ready")
            deadline = time.monotonic() + 30
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("azure_server.py did not start")
                time.sleep(0.02)
            ports = json.loads(ready.read_text())
            yield AzureFake(ports["port"], ports["metadata_port"], folder)
        finally:
            process.terminate()
            process.wait()
