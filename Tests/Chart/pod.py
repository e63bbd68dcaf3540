"""Runs a pod of a Deployment as the kubelet does: its image's root, read-only, its user and no capability, exactly its
environment, arguments and files, and its service account's own tokens. One thing differs: a pod has an address of its
own; in the tests, an additional argument gives each a port of the loopback address."""

import base64
import json
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

from chart import ENTER
from conftest import eventually

PROGRAM = "/usr/bin/secrets-bridge"  # the image's entrypoint
IMAGE_USER = (65532, 65532)
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


class Pod:
    def __init__(self, cluster, deployment, image_root, folder, name, assigned=None):
        """`assigned` is the user and group that the platform assigns instead of the image's, as OpenShift does."""
        self.cluster, self.folder, self.name = cluster, folder, name
        self.user = assigned or IMAGE_USER
        self.namespace = deployment["metadata"]["namespace"]
        self.spec = deployment["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.root = folder / "root"
        self.log = folder / "log"
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        # The runtime creates the mount points; everything else is as in the image.
        folder.mkdir(parents=True)
        subprocess.run(["cp", "-a", "--reflink=auto", image_root, self.root], check=True)

    def environment(self):
        host, port = self.cluster.address
        values = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": self.name,
                  "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        assert "envFrom" not in self.container
        for variable in self.container["env"]:
            if "valueFrom" in variable:
                assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
                values[variable["name"]] = self.namespace
            else:
                values[variable["name"]] = variable["value"]
        return values

    def token(self, audience=None):
        wanted = {"expirationSeconds": 3600, **({"audiences": [audience]} if audience else {})}
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.spec['serviceAccountName']}"
        return self.cluster.api.expect({201}, "POST", f"{account}/token", {"spec": wanted})[1]["status"]["token"]

    def volume_files(self, volume):
        """Returns the files of a volume: names and contents."""
        if "configMap" in volume:
            data = self.cluster.get("configmap", volume["configMap"]["name"], self.namespace)["data"]
            return {name: text.encode() for name, text in data.items()}
        if "secret" in volume:
            data = self.cluster.get("secret", volume["secret"]["secretName"], self.namespace)["data"]
            return {name: base64.b64decode(text) for name, text in data.items()}
        files = {}
        for source in volume["projected"]["sources"]:
            wanted = source["serviceAccountToken"]
            files[wanted["path"]] = self.token(wanted["audience"]).encode()
        return files

    def mounts(self):
        """Returns folders of this machine and their paths in the container."""
        volumes = {volume["name"]: self.volume_files(volume) for volume in self.spec.get("volumes", [])}
        places = {mount["mountPath"]: volumes[mount["name"]] for mount in self.container.get("volumeMounts", [])}
        assert self.spec.get("automountServiceAccountToken", True)
        places[ACCOUNT_FOLDER] = {
            "token": self.token().encode(), "ca.crt": self.cluster.authority.read_bytes(), "namespace": self.namespace.encode()}
        places["/etc/hosts"] = b"127.0.0.1 localhost\n"
        for number, (place, contents) in enumerate(sorted(places.items())):
            source, target = self.folder / f"mount-{number}", self.root / place[1:]
            if isinstance(contents, bytes):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
                source.write_bytes(contents)
            else:
                target.mkdir(parents=True, exist_ok=True)
                source.mkdir()
                for name, data in contents.items():
                    (source / name).write_bytes(data)
            yield f"{source}:{place}"

    def command(self):
        security = self.spec["securityContext"]
        assert self.container["securityContext"]["readOnlyRootFilesystem"] and security["runAsNonRoot"]
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(security)
        words = [sys.executable, ENTER, self.root, *self.user]
        for mount in self.mounts():
            words += ["--mount", mount]
        for name, value in self.environment().items():
            words += ["--env", f"{name}={value}"]
        return [str(word) for word in [*words, "--", PROGRAM, *self.container["args"], f"--metrics-address=127.0.0.1:{self.port}"]]

    @contextmanager
    def running(self):
        """Runs until the block ends; then stops with SIGTERM and has to exit with 0."""
        with open(self.log, "wb") as log:
            process = subprocess.Popen(self.command(), stdout=log, stderr=log, env={})
        try:
            eventually("the pod is ready", lambda: process.poll() is not None or self.is_ready())
            assert process.poll() is None, self.log.read_text()
            self.pid = process.pid
            yield self
            process.terminate()
            assert process.wait(timeout=30) == 0, self.log.read_text()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def is_ready(self):
        """Sends the request of the readiness probe."""
        probe = self.container["readinessProbe"]["httpGet"]
        assert probe["port"] == self.container["ports"][0]["name"] and self.container["ports"][0]["containerPort"] == 8080
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{probe['path']}", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def logged(self, message):
        return [entry for entry in map(json.loads, self.log.read_text().splitlines()) if entry["msg"] == message]
