"""For hack/bench-rewrap: makes the files, and is the plain client.

    bench_rewrap.py make BINARY FOLDER COUNT
    bench_rewrap.py load FOLDER
"""
import base64
import os
import pathlib
import re
import subprocess
import sys

import requests

BATCH = 200
ADDRESS = os.environ["SB_KMS_VAULT_ADDR"]


def session():
    session = requests.Session()
    session.trust_env = False  # a CA bundle of the machine would take precedence
    session.verify = os.environ["SB_KMS_VAULT_CACERT"]
    session.headers["X-Vault-Token"] = os.environ["SB_KMS_VAULT_TOKEN"]
    return session


def make(binary, folder, count):
    """Writes files with a data key each. They share their values, which rewrap does not read."""
    template = subprocess.run(
        [binary, "wrap", "-n", "payments", "--name", "db", "--from-literal", "password=hunter2", "--from-literal", "user=app"],
        check=True, capture_output=True, text=True).stdout
    old = re.search(r"vault:v\d+:[A-Za-z0-9+/=]+", template).group()
    context = base64.b64encode(b"\0".join([b"secrets-bridge/v1", b"strict", b"payments", b"db"])).decode()
    vault = session()
    for start in range(0, count, BATCH):
        items = [{"plaintext": base64.b64encode(os.urandom(32)).decode(), "context": context}
                 for _ in range(min(BATCH, count - start))]
        answer = vault.post(f"{ADDRESS}/v1/transit/encrypt/sb-wrap", json={"batch_input": items}, timeout=30)
        answer.raise_for_status()
        for offset, result in enumerate(answer.json()["data"]["batch_results"]):
            number = start + offset
            target = pathlib.Path(folder, str(number // 500), f"db-{number}.yaml")
            target.parent.mkdir(exist_ok=True)
            target.write_text(f"# Number {number}\n" + template.replace(old, result["ciphertext"]))


def load(folder):
    context = base64.b64encode(b"\0".join([b"secrets-bridge/v1", b"strict", b"payments", b"db"])).decode()
    ciphertexts = [re.search(r"vault:v\d+:[A-Za-z0-9+/=]+", file.read_text()).group()
            for file in sorted(pathlib.Path(folder).rglob("*.yaml"))]
    vault = session()
    for start in range(0, len(ciphertexts), BATCH):
        items = [{"ciphertext": ciphertext, "context": context} for ciphertext in ciphertexts[start:start + BATCH]]
        answer = vault.post(f"{ADDRESS}/v1/transit/rewrap/sb-wrap", json={"batch_input": items}, timeout=30)
        answer.raise_for_status()
        if any("error" in result for result in answer.json()["data"]["batch_results"]):
            sys.exit("error: OpenBao rejected a ciphertext")


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    load(sys.argv[2])
