"""Runs hack/lib/gcp_server.py, and brings Google's own clients to it: all requests to *.googleapis.com, and to the metadata
server, arrive there under their real names."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import requests

SERVER = Path(__file__).resolve().parents[2] / "hack/lib/gcp_server.py"
PROJECT = "projects/example-project"
RING = f"{PROJECT}/locations/europe-west1/keyRings/secrets-bridge"
POOL = "projects/123456789012/locations/global/workloadIdentityPools/clusters"
PROVIDER = f"//iam.googleapis.com/{POOL}/providers/production"


class GCPServer:
    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-B", SERVER, "0", folder, "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.address = self.url.removeprefix("http://")
        self.hosts = []

    @classmethod
    def at(cls, url, folder):
        """The server that another process has started."""
        server = cls.__new__(cls)
        server.folder, server.url, server.hosts = folder, url, []
        server.address = url.removeprefix("http://")
        return server

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def control(self, action="", **body):
        request = urllib.request.Request(
            f"{self.url}/control/{action}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def admin(self, method, path, body=None):
        """Sends a request of the administrator."""
        token = Path(self.folder, "admin-token").read_text().strip()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        data = json.dumps(body or {}).encode() if method != "GET" else None
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def requests(self):
        return [json.loads(line) for line in Path(self.folder, "requests.log").read_text().splitlines()]

    @contextlib.contextmanager
    def real_names(self):
        """Sends the requests of the library `requests` to this server, and leaves their Host header."""
        send = requests.adapters.HTTPAdapter.send

        def redirected(adapter, request, **options):
            parts = urlsplit(request.url)
            metadata = parts.hostname in {"metadata.google.internal", "169.254.169.254"}
            if metadata or parts.hostname.endswith(".googleapis.com"):
                self.hosts.append(parts.hostname)
                assert parts.scheme == ("http" if metadata else "https")
                request.headers["Host"] = parts.hostname
                request.url = parts._replace(scheme="http", netloc=self.address).geturl()
            return send(adapter, request, **options)

        requests.adapters.HTTPAdapter.send = redirected
        try:
            yield
        finally:
            requests.adapters.HTTPAdapter.send = send
