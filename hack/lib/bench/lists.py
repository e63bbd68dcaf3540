"""The time that curl needs for the lists of a restart: a lower bound that no controller can beat."""

import re
import subprocess
import sys

from kubernetes_api import object_path, secret_path

from environment import NAMESPACE

METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PAGE = 500


def curl_both(env):
    """Returns the seconds for both lists in pages, as the controller reads them: the time of the transfers, and of one TLS
    handshake."""
    lists = [(object_path(NAMESPACE), "application/json", ""), (secret_path(NAMESPACE), METADATA, "&labelSelector=secrets-bridge.io/managed=true")]
    total, handshake = 0.0, 0.0
    for path, accept, query in lists:
        token = ""
        while True:
            transfer, handshake, body = page(env, f"{path}?limit={PAGE}{query}{token}", accept)
            total += transfer
            # The metadata of the list comes before or after its items, depending on the version of the server.
            found = re.search(r'"continue":\s*"([^"]+)"', body[:4096] + body[-4096:])
            if not found:
                break
            token = f"&continue={found.group(1)}"
    return total + handshake


def page(env, path, accept):
    pki, target = env.options.cluster / "pki", env.options.folder / "page.json"
    done = subprocess.run(
        # The API server indents its responses for the user agent of curl.
        ["curl", "-sS", "--http2", "--fail", "--user-agent", "secrets-bridge-bench", "--cacert", pki / "ca.crt", "--cert", pki / "admin.crt", "--key", pki / "admin.key", "-H", f"Accept: {accept}",
         "-o", target, "-w", "%{time_appconnect} %{time_total}", env.server + path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"error: curl {path}: {done.stderr}")
    handshake, total = map(float, done.stdout.split())
    return total - handshake, handshake, target.read_text()
