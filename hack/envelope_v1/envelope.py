"""Seals and opens envelopes with local master keys and RSA keys, independently of the Swift code."""

import base64
import hashlib
import hmac
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import oaep

SCOPES = ("strict", "namespace", "cluster")
CLASSES = ("invalidSpec", "unsupportedFormat", "noUsableRecipient", "decryptFailed", "integrityFailed")


class Refused(Exception):
    """An envelope that does not decrypt; `kind` is one of CLASSES."""

    def __init__(self, kind, why):
        assert kind in CLASSES
        super().__init__(f"{kind}: {why}")
        self.kind = kind


def b64(data):
    return base64.b64encode(data).decode()


def strict_base64(text, what):
    """Decodes canonical, padded base64 of the standard alphabet."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("invalidSpec", f"{what}: {error}") from None
    if b64(data) != text:
        raise Refused("invalidSpec", f"{what}: not canonical")
    return data


# The parts of an envelope


def binding(scope, namespace, name):
    """Returns B, the binding of the ciphertext."""
    namespace = "" if scope == "cluster" else namespace
    name = name if scope == "strict" else ""
    return b"\0".join([b"secrets-bridge/v1", scope.encode(), namespace.encode(), name.encode()])


def key_id(master):
    return "local:" + hashlib.sha256(master).hexdigest()


def wrap(master, data_key, bound, nonce):
    return b64(nonce + AESGCM(master).encrypt(nonce, data_key, bound))


def seal_value(data_key, bound, entry, plaintext, nonce):
    return nonce + AESGCM(data_key).encrypt(nonce, plaintext, bound + b"\0" + entry.encode())


def compute_mac(data_key, bound, sealed):
    """`sealed` maps entry names to nonce ‖ ciphertext ‖ tag."""
    mac_key = hmac.digest(data_key, b"secrets-bridge/v1 mac key", "sha256")
    message = bound
    for entry, value in sorted((entry.encode(), value) for entry, value in sealed.items()):
        message += b"\0" + entry + b"\0" + hashlib.sha256(value).digest()
    return hmac.digest(mac_key, message, "sha256")


# Reading


def open_envelope(spec, masters, namespace, secret_name, rsa_keys=()):
    """Returns entry -> plaintext, or raises Refused. `rsa_keys` are pairs of a key id and a private key in PEM."""
    bound, recipients, mac, sealed = parse(spec, namespace, secret_name)
    held = {key_id(master): master for master in masters}
    held |= {name: oaep.load(pem) for name, pem in rsa_keys}
    ours = [recipient for recipient in recipients if recipient["keyID"] in held]
    if not ours:
        raise Refused("noUsableRecipient", "no recipient has a configured key")
    refusals = []
    for recipient in ours:
        try:
            data_key = unwrap(held[recipient["keyID"]], recipient, bound)
            if not hmac.compare_digest(mac, compute_mac(data_key, bound, sealed)):
                raise Refused("integrityFailed", "MAC")
        except Refused as refusal:
            refusals.append(refusal)
            continue
        return {entry: open_value(data_key, bound, entry, value) for entry, value in sealed.items()}
    # The specification leaves open which of two permanent failures is reported, so no vector depends on it.
    assert len({refusal.kind for refusal in refusals}) == 1, refusals
    raise refusals[0]


def unwrap(key, recipient, bound):
    is_public_key = "algorithm" in recipient
    if is_public_key == isinstance(key, bytes):
        raise Refused("decryptFailed", "the algorithm is not that of the key")
    try:
        data_key = (unwrap_rsa if is_public_key else unwrap_local)(key, recipient, bound)
    except (Refused, InvalidTag, ValueError) as error:
        # The format of a wrapped key is its backend's: it fails this recipient, not the envelope.
        raise Refused("decryptFailed", f"wrappedKey: {error!r}") from None
    if len(data_key) != 32:
        raise Refused("decryptFailed", f"data key of {len(data_key)} bytes")
    return data_key


def unwrap_local(master, recipient, bound):
    wrapped = strict_base64(recipient["wrappedKey"], "wrappedKey")
    return AESGCM(master).decrypt(wrapped[:12], wrapped[12:], bound)


def unwrap_rsa(private_key, recipient, _):
    text = recipient["wrappedKey"]
    if recipient["keyID"].startswith("vault-transit:"):
        match = re.fullmatch(r"vault:v[1-9][0-9]{0,8}:(.*)", text, re.ASCII)
        if not match:
            raise Refused("decryptFailed", "not vault:vN:<base64>")
        text = match[1]
    return private_key.decrypt(
        strict_base64(text, "wrappedKey"),
        padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None),
    )


def open_value(data_key, bound, entry, value):
    try:
        return AESGCM(data_key).decrypt(value[:12], value[12:], bound + b"\0" + entry.encode())
    except InvalidTag:
        raise Refused("decryptFailed", f"tag of {entry}") from None


# The checks before any cryptography

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def require(condition, what):
    if not condition:
        raise Refused("invalidSpec", what)


def matches(pattern, text, longest):
    return (
        isinstance(text, str) and len(text) <= longest and re.fullmatch(pattern, text, re.ASCII) is not None
    )


def parse(spec, namespace, secret_name):
    require("format" in spec, "no format")
    if spec["format"] != "v1":
        raise Refused("unsupportedFormat", spec["format"])
    require(spec.get("scope") in SCOPES, "scope")
    require(matches(LABEL, namespace, 63), "namespace")
    require(matches(rf"{LABEL}(\.{LABEL})*", secret_name, 253), "name")
    recipients = spec.get("recipients", [])
    require(1 <= len(recipients) <= 8, "number of recipients")
    for recipient in recipients:
        require(matches(r"[ -~]+", recipient["keyID"], 512), "keyID")
        require(len(recipient["wrappedKey"].encode()) <= 8192, "wrappedKey")
        require(recipient.get("algorithm", "RSA-OAEP-256") == "RSA-OAEP-256", "algorithm")
    require(len({recipient["keyID"] for recipient in recipients}) == len(recipients), "duplicate keyID")
    mac = strict_base64(spec.get("mac", ""), "mac")
    require(len(mac) == 32, "length of mac")
    sealed = {}
    for entry, text in spec.get("data", {}).items():
        require(
            matches(r"[-._A-Za-z0-9]+", entry, 253) and entry != "." and not entry.startswith(".."),
            f"entry {entry!r}",
        )
        sealed[entry] = strict_base64(text, f"entry {entry!r}")
        require(len(sealed[entry]) >= 28, f"length of {entry!r}")
    return binding(spec["scope"], namespace, secret_name), recipients, mac, sealed
