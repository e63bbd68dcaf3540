"""The API server and OpenBao of a run, the proxies before them, and what a controller needs to reach both."""

import base64
import os
import pathlib
import subprocess
import time

import yaml
from faults import Proxy, kubernetes_error, make_certificate, vault_error
from kubernetes_api import API

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Servers:
    def __init__(self, cluster, openbao, folder, seeded):
        """`cluster` and `openbao` are the folders of hack/cluster and hack/openbao. `seeded` draws the random choices."""
        self.cluster = cluster
        self.openbao = openbao
        self.folder = folder
        self.random = seeded
        kubeconfig = yaml.safe_load((cluster / "admin.kubeconfig").read_text())
        self.server = kubeconfig["clusters"][0]["cluster"]["server"]
        self.authorities = cluster / "pki/ca.crt"
        self.api = API(self.server, cluster / "pki")
        # Each editor has a KMS client of its own, so that editors do not wait for each other.
        os.environ.update(KMS="vault", VAULT_ADDR=os.environ["BAO_ADDR"], VAULT_CACERT=os.environ["BAO_CACERT"])
        os.environ["VAULT_TOKEN"] = self.script("openbao", "token", "developer").strip()
        self.certificate = folder / "proxy.pem"
        self.pem = make_certificate(self.certificate)
        (folder / "vault-token").write_text(self.token())
        (folder / "vault-ca.pem").write_text(pathlib.Path(os.environ["BAO_CACERT"]).read_text() + self.pem)

    def script(self, name, *arguments):
        """Runs hack/cluster or hack/openbao with these arguments; returns what it printed."""
        folder = {"cluster": self.cluster, "openbao": self.openbao}[name]
        done = subprocess.run(
            [ROOT / "hack" / name, *arguments, "--dir", folder], capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"hack/{name} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def token(self):
        """Returns a token of the controller's service account for OpenBao."""
        return subprocess.run(
            [os.environ["KUBECTL"], "--kubeconfig", self.cluster / "admin.kubeconfig", "-n", "secrets-bridge", "create",
             "token", "secrets-bridge", "--audience=vault", "--duration=24h"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    # Proxies

    def api_proxy(self):
        return self.proxy(self.server, self.authorities, kubernetes_error)

    def kms_proxy(self):
        return self.proxy(os.environ["BAO_ADDR"], os.environ["BAO_CACERT"], vault_error)

    def proxy(self, url, authorities, error_body):
        target = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        return Proxy(target, authorities, self.certificate, error_body, self.random.random())

    # The settings of a controller

    def kubeconfig(self, proxy, name="kubeconfig"):
        """Writes the controller's kubeconfig, whose server is the proxy; returns its path."""
        path = self.folder / name
        self.script("cluster", "kubeconfig-for", "secrets-bridge", "secrets-bridge", str(path))
        kubeconfig = yaml.safe_load(path.read_text())
        cluster = kubeconfig["clusters"][0]["cluster"]
        cluster["server"] = f"https://127.0.0.1:{proxy.port}"
        known = base64.b64decode(cluster["certificate-authority-data"])
        cluster["certificate-authority-data"] = base64.b64encode(known + self.pem.encode()).decode()
        path.write_text(yaml.safe_dump(kubeconfig))
        return path

    def kms_settings(self, address):
        """Returns the environment of a controller whose OpenBao has this address."""
        return {
            "SB_KMS_BACKEND": "vault-transit",
            "SB_KMS_VAULT_ADDR": address,
            "SB_KMS_VAULT_KEY": "sb-wrap",
            "SB_KMS_VAULT_CACERT": str(self.folder / "vault-ca.pem"),
            "SB_KMS_VAULT_AUTH": "kubernetes",
            "SB_KMS_VAULT_ROLE": "secrets-bridge",
            "SB_KMS_VAULT_SA_TOKEN_FILE": str(self.folder / "vault-token"),
        }

    # Faults

    def restart_api_server(self):
        self.script("cluster", "restart-apiserver")

    def restart_openbao(self):
        self.script("openbao", "stop")
        time.sleep(self.random.uniform(0, 5))
        self.script("openbao", "start")

    def seal_openbao(self):
        self.script("openbao", "seal")
        time.sleep(self.random.uniform(1, 8))
        self.script("openbao", "unseal")
