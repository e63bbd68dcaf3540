"""A controller refuses to start where others could read its connections, and writes no keys of TLS sessions."""

import base64
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time

import pytest

from conftest import BINARY
from test_tls_version import certificate  # noqa: F401 (a fixture)


class APIServer(http.server.BaseHTTPRequestHandler):
    """Counts requests, and allows none."""

    def do_GET(self):
        self.server.count += 1
        body = json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(certificate):  # noqa: F811
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), APIServer)
    server.count = 0
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def environment(tmp_path, cluster, **more):
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": {"token": "t"}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig))
    return {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig"), "SB_KMS_BACKEND": "local",
        "SB_WRAP_MASTER_KEY": base64.b64encode(bytes(32)).decode(), **more}


CONTROLLER = (BINARY, "controller", "--metrics-address=off", "--no-leader-elect")


@pytest.mark.parametrize("cluster,problem", [
    ({"server": "http://192.0.2.1:8080"}, "uses plain http"),
    ({"server": "https://192.0.2.1", "insecure-skip-tls-verify": True}, r"is not verified \(insecure-skip-tls-verify\)"),
], ids=["http", "insecure"])
def test_an_unprotected_api_server_is_refused_outside_of_development(tmp_path, cluster, problem):
    done = subprocess.run(CONTROLLER, env=environment(tmp_path, cluster), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1 and re.search(f"the API server {re.escape(cluster['server'])} {problem}", lines[0]), done.stderr
    with subprocess.Popen(CONTROLLER, env=environment(tmp_path, cluster, SB_ENV="dev"), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert any("controller starting" in line for line in process.stderr)
        finally:
            process.kill()


def test_tls_keys_are_not_logged(tmp_path, certificate, server):  # noqa: F811
    log = tmp_path / "keys.log"
    cluster = {"server": f"https://127.0.0.1:{server.server_port}", "certificate-authority": str(certificate)}
    settings = environment(tmp_path, cluster, SSLKEYLOGFILE=str(log))
    # A command obeys the variable: this libcurl has the feature.
    subprocess.run((BINARY, "status", "-n", "payments"), env=settings, capture_output=True, timeout=60)
    assert server.count > 0 and log.read_text()
    log.unlink()
    server.count = 0
    with subprocess.Popen(CONTROLLER, env=settings, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            assert any("SSLKEYLOGFILE is ignored" in line for line in lines)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            deadline = time.monotonic() + 30
            while server.count == 0 and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            process.kill()
    assert server.count > 0 and not log.exists()
