"""Seals as sealed-secrets (bitnami.com/v1alpha1) does, with Python's `cryptography`: an implementation that shares no
code with ours.

    sealed_secret.py < VALUE    prints fresh keys, and SealedSecrets of payments/db whose entry `password` is VALUE

The output is a JSON object: `keys` has PEM, `kubectl` the keys as `kubectl get secret -o yaml` prints them (JSON is YAML),
`sealed` the manifests.
"""

import base64
import datetime
import json
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

PREFIX = "sealedsecrets.bitnami.com/"
PEM = serialization.Encoding.PEM
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
PKCS8 = serialization.PrivateFormat.PKCS8
CLEAR = serialization.NoEncryption()


def b64(data):
    return base64.b64encode(data).decode()


def label(scope, namespace, name):
    return {"strict": f"{namespace}/{name}", "namespace-wide": namespace, "cluster-wide": ""}[scope].encode()


def hybrid_encrypt(key, plaintext, bound):
    session = os.urandom(32)
    sha256 = hashes.SHA256()
    wrapped = key.public_key().encrypt(session, padding.OAEP(padding.MGF1(sha256), sha256, bound))
    return len(wrapped).to_bytes(2, "big") + wrapped + AESGCM(session).encrypt(bytes(12), plaintext, b"")


def manifest(scope, namespace, name, spec):
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": None}
    if scope != "strict":
        metadata["annotations"] = {PREFIX + scope: "true"}
    return {"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": metadata, "spec": spec}


def seal(key, values, scope="strict", namespace="payments", name="db", **template):
    bound = label(scope, namespace, name)
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": None}
    if scope != "strict":
        metadata["annotations"] = {PREFIX + scope: "true"}
    metadata = template.pop("metadata", {}) | metadata
    sealed = {entry: b64(hybrid_encrypt(key, value, bound)) for entry, value in values.items()}
    spec = {"template": {"metadata": metadata} | template, "encryptedData": sealed}
    return manifest(scope, namespace, name, spec)


def whole(key, plaintext, namespace="payments", name="db"):
    """Seals one value, as versions before 0.7 did."""
    blob = hybrid_encrypt(key, plaintext, label("strict", namespace, name))
    return manifest("strict", namespace, name, {"data": b64(blob)})


def seal_whole(key, values, namespace="payments", name="db"):
    secret = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": None, "labels": {"team": "a"}},
        "data": {entry: b64(value) for entry, value in values.items()},
        "type": "Opaque",
    }
    return whole(key, json.dumps(secret).encode(), namespace, name)


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sealed-secrets")])
    start = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=3650))
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()


def private(key, form, protection=CLEAR):
    return key.private_bytes(PEM, form, protection).decode()


def kept(name, key):
    """Returns the Secret with a key of the sealed-secrets controller."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {PREFIX + "sealed-secrets-key": "active"}},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": b64(certificate(key).encode()),
            "tls.key": b64(private(key, PKCS1).encode()),
        },
    }


def main(value):
    first, second = (rsa.generate_private_key(65537, size) for size in (2048, 4096))
    locked = serialization.BestAvailableEncryption(b"passphrase")
    values = {"password": value, "binary": bytes(range(256)), "empty": b""}
    described = {
        "labels": {"team": "a"},
        "annotations": {"note": "yes", PREFIX + "managed": "true"},
    }
    return {
        "keys": {
            "pkcs1": private(first, PKCS1),
            "pkcs8": private(first, PKCS8),
            "second": private(second, PKCS1),
            "encrypted": private(first, PKCS8, locked),
            "encrypted-pkcs1": private(first, PKCS1, locked),
            "certificate": certificate(first),
            "ec": private(ec.generate_private_key(ec.SECP256R1()), PKCS8),
        },
        "kubectl": {
            "one": kept("sealed-secrets-key4x7kp", first),
            "list": {
                "apiVersion": "v1",
                "kind": "List",
                "metadata": {"resourceVersion": ""},
                "items": [kept("sealed-secrets-key9zqwm", second), kept("sealed-secrets-key4x7kp", first)],
            },
        },
        "sealed": {
            "strict": seal(first, values),
            "namespace-wide": seal(first, values, "namespace-wide"),
            "cluster-wide": seal(first, values, "cluster-wide"),
            "second": seal(second, values),
            "described": seal(first, values, metadata=described, type="example.com/x", immutable=True),
            "whole": seal_whole(first, values),
            "not-a-secret": whole(first, value),
        },
    }


if __name__ == "__main__":
    json.dump(main(sys.stdin.buffer.read()), sys.stdout, indent=1)
    print()
