"""The measurements of hack/bench, which starts the servers."""

import argparse
import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import hvac
import requests
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "hack"), str(ROOT / "hack/lib")]

from envelope_v1 import envelope  # noqa: E402
from kubernetes_api import API, APPLY, MERGE, object_path, secret_path  # noqa: E402
from process_memory import anonymous, resident  # noqa: E402

NAMESPACE = "bench"
KEY_ID = "vault-transit:transit/sb-wrap"


def log(text):
    print(text, file=sys.stderr, flush=True)


def memory_text(memory):
    return f"{memory[0]:.1f} MiB, {memory[1]:.1f} of it anonymous"


class Objects:
    """Wraps WrappedSecrets of one value each, in batches, with the KMS's own client."""

    def __init__(self, api, transit):
        self.api = api
        self.transit = transit

    def make(self, names, value):
        for start in range(0, len(names), 100):
            part = names[start : start + 100]
            bound = {name: envelope.binding("strict", NAMESPACE, name) for name in part}
            keys = {name: os.urandom(32) for name in part}
            batch = [{"plaintext": envelope.b64(keys[name]), "context": envelope.b64(bound[name])} for name in part]
            answer = self.transit.encrypt_data("sb-wrap", batch_input=batch)
            for name, result in zip(part, answer["data"]["batch_results"], strict=True):
                sealed = {"password": envelope.seal_value(keys[name], bound[name], "password", value(name).encode(), os.urandom(12))}
                yield {
                    "apiVersion": "secrets-bridge.io/v1alpha1",
                    "kind": "WrappedSecret",
                    "metadata": {"namespace": NAMESPACE, "name": name},
                    "spec": {
                        "format": "v1",
                        "scope": "strict",
                        "recipients": [{"keyID": KEY_ID, "wrappedKey": result["ciphertext"]}],
                        "mac": envelope.b64(envelope.compute_mac(keys[name], bound[name], sealed)),
                        "data": {entry: envelope.b64(sealed[entry]) for entry in sealed},
                    },
                }

    def apply(self, manifests):
        manifests, lock = iter(manifests), threading.Lock()

        def lane():
            while True:
                with lock:
                    manifest = next(manifests, None)
                if manifest is None:
                    return
                path = object_path(NAMESPACE, manifest["metadata"]["name"]) + "?fieldManager=bench&force=true"
                self.api.expect({200, 201}, "PATCH", path, manifest, kind=APPLY)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(lane) for _ in range(8)]:
                done.result()


class Controller:
    """One process of the controller, with its metrics."""

    def __init__(self, command, environment, log):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SB_", "BAO_", "VAULT_", "AWS_"))}
        self.log = log
        self.log.write_bytes(b"")
        self.began = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env={**inherited, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
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
        except urllib.error.URLError:
            return None

    def metric(self, name, **labels):
        """Returns the sum of the series that have at least these labels."""
        page = self.get("/metrics") or ""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        return sum(float(value) for found, text, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", page, re.MULTILINE)
                   if found == name and wanted <= set(text.split(",")))

    def until(self, condition, pause=0.01):
        """Waits until the condition holds; returns the seconds since the start."""
        while not condition():
            if self.process.poll() is not None:
                sys.exit(f"error: the controller exited: {self.log.read_text()[-2000:]}")
            time.sleep(pause)
        return time.monotonic() - self.began

    def until_ready(self):
        return self.until(lambda: self.get("/readyz") is not None)

    def until_synced(self, count):
        return self.until(lambda: self.metric("secretsbridge_wrappedsecrets", ready="True", reason="Synced") >= count, pause=0.2)

    def until_idle(self, count):
        """Returns whether every object was reconciled."""
        return self.until(lambda: self.metric("secretsbridge_reconcile_total", result="success", reason="") >= count
                          and self.metric("secretsbridge_workqueue_depth") == 0)

    def memory(self):
        """Returns resident and anonymous memory in MiB after it settled."""
        time.sleep(5)
        return resident(self.process.pid), anonymous(self.process.pid)

    def stop(self):
        self.process.terminate()
        if self.process.wait(60) != 0:
            sys.exit(f"error: the controller exited with {self.process.returncode}: {self.log.read_text()[-2000:]}")


class AuditLog:
    """Yields the lines that are appended to a file."""

    def __init__(self, path):
        self.path = path
        self.start = path.stat().st_size if path.exists() else 0

    def entries(self):
        with self.path.open("rb") as file:
            file.seek(self.start)
            return [json.loads(line) for line in file if line.endswith(b"\n")]


class Bench:
    def __init__(self, options):
        self.options = options
        kubeconfig = yaml.safe_load((options.cluster / "admin.kubeconfig").read_text())
        self.server = kubeconfig["clusters"][0]["cluster"]["server"]
        self.api = API(self.server, options.cluster / "pki")
        vault = hvac.Client(os.environ["BAO_ADDR"], token=os.environ["BAO_TOKEN"], verify=os.environ["BAO_CACERT"])
        self.objects = Objects(self.api, vault.secrets.transit)
        self.count = 0
        self.api.expect({201, 409}, "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        subprocess.run(
            [ROOT / "hack/cluster", "kubeconfig-for", "secrets-bridge", "secrets-bridge", options.folder / "kubeconfig", "--dir", options.cluster],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (options.folder / "vault-token").write_text(self.token("--audience=vault"))

    def token(self, *arguments):
        command = [os.environ["KUBECTL"], "--kubeconfig", self.options.cluster / "admin.kubeconfig", "-n", "secrets-bridge",
                   "create", "token", "secrets-bridge", "--duration=24h", *arguments]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def start(self):
        self.api_log = AuditLog(self.options.cluster / "audit.log")
        self.kms_log = AuditLog(self.options.openbao / "audit.log")
        return Controller(
            [self.options.binary, "controller", "--kubeconfig", self.options.folder / "kubeconfig", "--no-leader-elect",
             "--watch-namespace", NAMESPACE, "--metrics-address", "127.0.0.1:0", "--log-format", "json"],
            {
                "SB_KMS_BACKEND": "vault-transit", "SB_KMS_VAULT_ADDR": os.environ["BAO_ADDR"], "SB_KMS_VAULT_KEY": "sb-wrap",
                "SB_KMS_VAULT_CACERT": os.environ["BAO_CACERT"], "SB_KMS_VAULT_AUTH": "kubernetes",
                "SB_KMS_VAULT_ROLE": "secrets-bridge",
                "SB_KMS_VAULT_SA_TOKEN_FILE": str(self.options.folder / "vault-token"),
            },
            self.options.folder / "controller.log",
        )  # fmt: skip

    def decrypts(self):
        """Returns the number of requests without that of the controller's self test."""
        entries = self.kms_log.entries()
        return sum(one["type"] == "request" and one["request"]["path"] == "transit/decrypt/sb-wrap" for one in entries) - 1

    def names(self, count):
        return [f"db-{index}" for index in range(count)]

    def fill(self, count):
        """Creates more objects while no controller runs."""
        if count > self.count:
            self.objects.apply(self.objects.make(self.names(count)[self.count :], lambda name: f"value of {name}"))
            self.count = count

    def empty(self):
        controller = self.start()
        controller.until_ready()
        log(f"   RSS without objects: {memory_text(controller.memory())} (aim: 20)")
        controller.stop()

    def sync(self, count):
        """Measures a fresh sync, and the same writes by a load generator before and after it."""
        new = count - self.count
        self.fill(count)
        plain = [self.plain_rate()]
        controller = self.start()
        ready = controller.until_ready()
        rate = new / (controller.until_synced(count) - ready)
        decrypts = self.decrypts()
        memory = controller.memory()
        controller.stop()
        plain.append(self.plain_rate())
        reference = statistics.mean(plain)
        log(
            f"   fresh sync of {new} objects: {rate:.0f}/s; the same writes, plain: {plain[0]:.0f}/s before, {plain[1]:.0f}/s after; "
            f"ratio {rate / reference:.2f} (aim: 0.85)"
        )
        log(f"   one KMS request for {new / max(decrypts, 1):.0f} objects (aim: 50 or more)")
        log(f"   RSS over {count} objects after it: {memory_text(memory)}")

    def plain_rate(self, count=2000):
        """Creates a Secret and patches a status `count` times each, with as many requests in flight as the controller has workers."""
        secret = {
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"password": "dmFsdWUgb2Y="},
            "metadata": {"generateName": "load-", "labels": {"app.kubernetes.io/managed-by": "bench"}},
        }  # fmt: skip
        status = {"status": {"lastHandledSync": f"{time.time()}", "observedGeneration": 1, "conditions": [
            {"type": "Ready", "status": "Unknown", "reason": "Bench", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}  # fmt: skip
        self.api.expect({201, 409}, "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "load"}})
        # Uses copies, so that the objects of the measurement stay unchanged.
        template = self.api.expect({200}, "GET", object_path(NAMESPACE, "db-0"))[1]
        names = self.names(count)
        for name in names if not self.api.list(object_path("load") + "?limit=1") else []:
            body = {**template, "metadata": {"name": name, "namespace": "load"}, "spec": {**template["spec"], "suspend": True}}
            body.pop("status", None)
            self.api.expect({201}, "POST", object_path("load"), body)
        seconds = self.load("POST", [secret_path("load")], count, secret, "application/json")
        seconds += self.load("PATCH", [object_path("load", name) + "/status" for name in names], count, status, MERGE)
        self.api.expect({200}, "DELETE", secret_path("load") + "?labelSelector=app.kubernetes.io/managed-by=bench")
        return count / seconds

    def load(self, method, paths, count, body, kind):
        (self.options.folder / "body.json").write_text(json.dumps(body))
        (self.options.folder / "uris").write_text("\n".join(self.server + path for path in paths) + "\n")
        done = subprocess.run(
            ["h2load", "-n", str(count), "-c", "1", "-m", "100", "-d", self.options.folder / "body.json", "-i", self.options.folder / "uris",
             "-H", f":method: {method}", "-H", f"Content-Type: {kind}", "-H", f"Authorization: Bearer {self.admin_token()}"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        # Names that the server generates may collide.
        if int(re.search(r"status codes: (\d+) 2xx", done).group(1)) < count * 0.99:
            sys.exit(f"error: h2load: {done}")
        found = re.search(r"finished in ([0-9.]+)(ms|s)", done)
        return float(found.group(1)) / (1000 if found.group(2) == "ms" else 1)

    def admin_token(self):
        if not hasattr(self, "load_token"):
            names = {"metadata": {"name": "bench-load"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                     "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "load"}]}  # fmt: skip
            self.api.expect({201, 409}, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
                            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", **names})  # fmt: skip
            self.load_token = subprocess.run(
                [os.environ["KUBECTL"], "--kubeconfig", self.options.cluster / "admin.kubeconfig", "-n", "load", "create", "token", "default", "--duration=24h"],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
        return self.load_token

    def restart(self, rounds=3):
        """Measures a restart with all objects in sync."""
        times, memories = [], []
        for _ in range(rounds):
            controller = self.start()
            ready = controller.until_ready()
            idle = controller.until_idle(self.count)
            # CPU time is more reliable than the clock on a shared machine.
            processor = controller.metric("process_cpu_seconds_total")
            memories.append(controller.memory())
            requests_made = self.api_log.entries()
            decrypts = self.decrypts()
            controller.stop()
            times.append((ready, idle))
        verbs = {}
        for one in requests_made:
            resource = one.get("objectRef", {}).get("resource", "")
            verbs[f"{one['verb']} {resource}"] = verbs.get(f"{one['verb']} {resource}", 0) + 1
        writes = sum(count for what, count in verbs.items() if what.split()[0] not in {"get", "list", "watch"} and "selfsubject" not in what)
        ready, idle = min(times)
        log(
            f"   restart over {self.count} objects in sync: ready after {ready:.2f} s (aim: 3), all looked at after {idle:.2f} s, by "
            f"{processor:.2f} s of the processor; "
            f"{writes} writes, {decrypts} unwraps; {', '.join(f'{what} {count}' for what, count in sorted(verbs.items()))}"
        )
        log(f"   RSS over {self.count} objects after it: {memory_text(sorted(memories)[len(memories) // 2])} (aim at 20,000: 60)")

    def latency(self, rounds=50):
        """Measures the time from the response to an apply until a watch shows the changed Secret."""
        controller = self.start()
        controller.until_ready()
        controller.until_idle(self.count)
        names = [f"db-{index * max(1, self.count // rounds)}" for index in range(min(rounds, self.count))]
        manifests = {one["metadata"]["name"]: one for one in self.objects.make(names, lambda name: f"changed {name}")}
        seen = {}
        watch = requests.get(
            f"{self.server}{secret_path(NAMESPACE)}?watch=true&resourceVersion={self.version()}&timeoutSeconds=600",
            cert=(str(self.api.pki / "admin.crt"), str(self.api.pki / "admin.key")), verify=str(self.api.pki / "ca.crt"),
            stream=True, timeout=60,
        )  # fmt: skip
        changed = threading.Condition()

        def look():
            with contextlib.suppress(requests.RequestException):
                for line in watch.iter_lines(chunk_size=1):
                    item = json.loads(line)["object"]
                    value = base64.b64decode(item.get("data", {}).get("password", "")).decode()
                    with changed:
                        seen[item["metadata"]["name"], value] = time.monotonic()
                        changed.notify()

        threading.Thread(target=look, daemon=True).start()
        delays = []
        for name in names:
            self.objects.apply([manifests[name]])
            applied = time.monotonic()
            with changed:
                if not changed.wait_for(lambda n=name: (n, f"changed {n}") in seen, timeout=30):
                    sys.exit(f"error: {name} did not change")
            delays.append((seen[name, f"changed {name}"] - applied) * 1000)
            # Half a second apart, because the batcher waits for more when changes follow each other closely.
            time.sleep(0.6)
        delays.sort()
        plain = statistics.median(self.plain_change(manifests[name]) for name in names)
        log(
            f"   a change reaches its Secret, over {self.count} objects: p50 {statistics.median(delays):.1f} ms (aim: 15), "
            f"p95 {delays[int(len(delays) * 0.95)]:.1f} ms, longest {delays[-1]:.1f} ms; "
            f"one decrypt and one patch of a Secret, plain: p50 {plain:.1f} ms"
        )
        controller.stop()

    def plain_change(self, manifest):
        """Returns the minimum in milliseconds: one request to the KMS and one patch of the Secret, by Python clients."""
        name, recipient = manifest["metadata"]["name"], manifest["spec"]["recipients"][0]
        context = envelope.b64(envelope.binding("strict", NAMESPACE, name))
        began = time.monotonic()
        self.objects.transit.decrypt_data("sb-wrap", ciphertext=recipient["wrappedKey"], context=context)
        patch = {"metadata": {"annotations": {"example.org/bench": f"{began}"}}}
        self.api.expect({200}, "PATCH", secret_path(NAMESPACE, name), patch, kind=MERGE)
        return (time.monotonic() - began) * 1000

    def version(self):
        return self.api.expect({200}, "GET", secret_path(NAMESPACE) + "?limit=1")[1]["metadata"]["resourceVersion"]

    def run(self):
        wanted = self.options.what
        if wanted == "all":
            log("Without objects")
            self.empty()
        for count in sorted({min(1000, self.options.objects), self.options.objects}):
            log(f"{count} objects")
            if wanted in {"all", "sync"}:
                self.sync(count)
            else:
                self.fill(count)
                controller = self.start()
                controller.until_synced(count)
                controller.stop()
            if wanted in {"all", "restart"}:
                self.restart()
            if wanted in {"all", "latency"}:
                self.latency()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["all", "restart", "sync", "latency"])
    parser.add_argument("--objects", type=int, required=True)
    for name in ("binary", "cluster", "openbao", "folder"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    Bench(parser.parse_args()).run()


if __name__ == "__main__":
    main()
