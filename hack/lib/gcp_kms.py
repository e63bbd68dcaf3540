"""Cloud KMS of the GCP fake (gcp_server.py): key rings, keys and their versions, Encrypt, Decrypt and AsymmetricDecrypt with checksums. Source: the
REST reference of Cloud KMS v1."""

import base64
import binascii
import re
import secrets
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from gcp_iam import USE, rpc_error

PARENT = r"projects/[^/:]+/locations/[^/:]+"
RING = rf"{PARENT}/keyRings/[A-Za-z0-9_-]{{1,63}}"
KEY = rf"{RING}/cryptoKeys/[A-Za-z0-9_-]{{1,63}}"
VERSION = rf"{KEY}/cryptoKeyVersions/[0-9]+"
VERSION_STATES = {1: "ENABLED", 2: "DISABLED", 3: "DESTROYED", 4: "DESTROY_SCHEDULED"}
PURPOSES = {1: "ENCRYPT_DECRYPT", 6: "ASYMMETRIC_DECRYPT"}
SYMMETRIC = "GOOGLE_SYMMETRIC_ENCRYPTION"
ALGORITHMS = {
    8: "RSA_DECRYPT_OAEP_2048_SHA256", 9: "RSA_DECRYPT_OAEP_3072_SHA256", 10: "RSA_DECRYPT_OAEP_4096_SHA256",
}  # fmt: skip
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
# The first bytes of a ciphertext are the reference to its version, as field 1 of a message.
PREFIX, REFERENCE_LENGTH = b"\x0a\x24", 36


def crc32c(data):
    """Returns the CRC-32C (Castagnoli) of the bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def crc_table():
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


CRC_TABLE = list(crc_table())


class KMS:
    def __init__(self, policies):
        self.policies = policies
        self.rings, self.keys, self.references = {}, {}, {}

    # Key rings, keys and versions

    def create_ring(self, principal, parent, identifier):
        name = f"{parent}/keyRings/{identifier}"
        self.policies.check(principal, "cloudkms.keyRings.create", parent)
        if not re.fullmatch(RING, name):
            raise rpc_error(400, f"KeyRing ID '{identifier}' is invalid.")
        if name in self.rings:
            raise rpc_error(409, f"KeyRing {name} already exists.")
        self.rings[name] = {"name": name, "createTime": now()}
        return self.rings[name]

    def create_key(self, principal, ring, identifier, body):
        name = f"{ring}/cryptoKeys/{identifier}"
        self.policies.check(principal, "cloudkms.cryptoKeys.create", ring)
        if ring not in self.rings:
            raise rpc_error(404, f"KeyRing {ring} not found.")
        if not re.fullmatch(KEY, name):
            raise rpc_error(400, f"CryptoKey ID '{identifier}' is invalid.")
        if name in self.keys:
            raise rpc_error(409, f"CryptoKey {name} already exists.")
        purpose = PURPOSES.get(body.get("purpose"), body.get("purpose"))
        if purpose not in PURPOSES.values():
            raise rpc_error(501, f"this server has keys with the purposes {', '.join(PURPOSES.values())} only")
        template = body.get("versionTemplate", {})
        algorithm, level = template.get("algorithm", SYMMETRIC), template.get("protectionLevel", "SOFTWARE")
        algorithm = ALGORITHMS.get(algorithm, algorithm) if purpose == "ASYMMETRIC_DECRYPT" else SYMMETRIC
        if purpose == "ASYMMETRIC_DECRYPT" and algorithm not in ALGORITHMS.values():
            raise rpc_error(400, f"Algorithm {algorithm} is not valid for the purpose {purpose}.")
        self.keys[name] = {
            "name": name, "purpose": purpose, "createTime": now(), "primary": None, "versions": {},
            "level": {1: "SOFTWARE", 2: "HSM"}.get(level, level), "algorithm": algorithm,
        }  # fmt: skip
        first = self.add_version(name)["name"].rpartition("/")[2]
        # Asymmetric keys have no primary version.
        self.keys[name]["primary"] = first if purpose == "ENCRYPT_DECRYPT" else None
        return self.describe(name)

    def add_version(self, name):
        key = self.key(name)
        number = str(len(key["versions"]) + 1)
        reference = secrets.token_bytes(REFERENCE_LENGTH)
        version = {
            "name": f"{name}/cryptoKeyVersions/{number}", "state": "ENABLED", "createTime": now(),
            "secret": new_secret(key["algorithm"]), "reference": reference,
        }  # fmt: skip
        key["versions"][number] = version
        self.references[reference] = version
        return self.describe_version(name, number)

    def key(self, name):
        if name not in self.keys:
            raise rpc_error(404, f"CryptoKey {name} not found.")
        return self.keys[name]

    def version(self, name, number):
        versions = self.key(name)["versions"]
        if number not in versions:
            raise rpc_error(404, f"CryptoKeyVersion {name}/cryptoKeyVersions/{number} not found.")
        return versions[number]

    def describe(self, name):
        key = self.key(name)
        shown = {field: key[field] for field in ("name", "purpose", "createTime")}
        shown["versionTemplate"] = {"protectionLevel": key["level"], "algorithm": key["algorithm"]}
        if key["primary"]:
            shown["primary"] = self.describe_version(name, key["primary"])
        return shown

    def describe_version(self, name, number):
        version = self.version(name, number)
        shown = {field: version[field] for field in ("name", "state", "createTime")}
        return shown | {"protectionLevel": self.keys[name]["level"], "algorithm": self.keys[name]["algorithm"]}

    def set_primary(self, name, number):
        self.require_enabled(self.version(name, str(number)))
        self.key(name)["primary"] = str(number)
        return self.describe(name)

    def set_state(self, name, number, state):
        """Sets the state of a version. A destroyed version loses its key material."""
        version = self.version(name, number)
        state = VERSION_STATES.get(state, state)
        if state not in VERSION_STATES.values():
            raise rpc_error(400, f"Invalid value at 'crypto_key_version.state': {state}")
        if version["state"] == "DESTROYED":
            raise not_enabled(version)
        version["state"] = state
        if state == "DESTROYED":
            version["secret"] = None
        return self.describe_version(name, number)

    def require_enabled(self, version):
        if version["state"] != "ENABLED":
            raise not_enabled(version)

    # Encrypt and Decrypt

    def encrypt(self, principal, name, number, body):
        """Encrypts with a version, or with the primary one."""
        self.policies.check(principal, f"{USE}Encrypt", name)
        check_fields(body, "plaintext", "additionalAuthenticatedData")
        key = self.key_of_purpose(name, "ENCRYPT_DECRYPT")
        number = number or key["primary"]
        if number is None:
            raise rpc_error(400, f"CryptoKey {name} does not have a primary version.", "FAILED_PRECONDITION")
        version = self.version(name, number)
        self.require_enabled(version)
        plaintext, verified_plaintext = checked_bytes(body, "plaintext")
        data, verified_data = checked_bytes(body, "additionalAuthenticatedData")
        check_lengths(key["level"], plaintext, data)
        nonce = secrets.token_bytes(12)
        sealed = nonce + AESGCM(version["secret"]).encrypt(nonce, plaintext, associated(version, data))
        ciphertext = PREFIX + version["reference"] + b"\x12" + varint(len(sealed)) + sealed
        return {
            "name": version["name"],
            "ciphertext": encoded(ciphertext),
            "ciphertextCrc32c": str(crc32c(ciphertext)),
            "protectionLevel": key["level"],
        } | {  # false is left out
            field: True
            for field, value in (
                ("verifiedPlaintextCrc32c", verified_plaintext),
                ("verifiedAdditionalAuthenticatedDataCrc32c", verified_data),
            )
            if value
        }

    def decrypt(self, principal, name, body):
        self.policies.check(principal, f"{USE}Decrypt", name)
        check_fields(body, "ciphertext", "additionalAuthenticatedData")
        key = self.key_of_purpose(name, "ENCRYPT_DECRYPT")
        ciphertext, _ = checked_bytes(body, "ciphertext")
        data, _ = checked_bytes(body, "additionalAuthenticatedData")
        if not ciphertext:
            raise rpc_error(400, "The request field 'ciphertext' is required.")
        check_lengths("SOFTWARE", ciphertext[:0], data)
        version, sealed = self.opened(ciphertext)
        if version is None or not version["name"].startswith(name + "/"):
            raise rpc_error(400, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
        self.require_enabled(version)
        try:
            plaintext = AESGCM(version["secret"]).decrypt(sealed[:12], sealed[12:], associated(version, data))
        except InvalidTag:
            raise rpc_error(400, "Decryption failed: the ciphertext is invalid.") from None
        result = {"plaintextCrc32c": str(crc32c(plaintext)), "protectionLevel": key["level"]}
        if plaintext:
            result["plaintext"] = encoded(plaintext)
        if version["name"] == f"{name}/cryptoKeyVersions/{key['primary']}":
            result["usedPrimary"] = True
        return result

    # Asymmetric keys

    def key_of_purpose(self, name, purpose):
        key = self.key(name)
        if key["purpose"] != purpose:
            raise rpc_error(400, f"The request requires a CryptoKey with the purpose {purpose}; {name} has {key['purpose']}.")
        return key

    def asymmetric_decrypt(self, principal, name, number, body):
        self.policies.check(principal, f"{USE}Decrypt", name)
        check_fields(body, "ciphertext")
        key, version = self.key_of_purpose(name, "ASYMMETRIC_DECRYPT"), self.version(name, number)
        self.require_enabled(version)
        ciphertext, verified = checked_bytes(body, "ciphertext")
        try:
            plaintext = version["secret"].decrypt(ciphertext, OAEP)
        except ValueError:
            raise rpc_error(400, "Decryption failed: the ciphertext is invalid.") from None
        result = {"plaintextCrc32c": str(crc32c(plaintext)), "protectionLevel": key["level"]}
        if plaintext:
            result["plaintext"] = encoded(plaintext)
        return result | ({"verifiedCiphertextCrc32c": True} if verified else {})

    def public_key(self, principal, name, number):
        self.policies.check(principal, "cloudkms.cryptoKeyVersions.viewPublicKey", name)
        key, version = self.key_of_purpose(name, "ASYMMETRIC_DECRYPT"), self.version(name, number)
        self.require_enabled(version)
        pem = version["secret"].public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {
            "pem": pem.decode(), "pemCrc32c": str(crc32c(pem)), "algorithm": key["algorithm"], "name": version["name"],
            "protectionLevel": key["level"],
        }  # fmt: skip

    def opened(self, ciphertext):
        """Returns the version of a ciphertext and what it sealed, or no version."""
        start = len(PREFIX) + REFERENCE_LENGTH
        version = self.references.get(ciphertext[len(PREFIX) : start]) if ciphertext.startswith(PREFIX) else None
        length, used = 0, 0
        for used, byte in enumerate(ciphertext[start + 1 : start + 6], 1):
            length |= (byte & 0x7F) << 7 * (used - 1)
            if byte < 0x80:
                break
        sealed = ciphertext[start + 1 + used :]
        if ciphertext[start : start + 1] != b"\x12" or len(sealed) != length or length < 28:
            return None, b""
        return version, sealed


def new_secret(algorithm):
    if algorithm == SYMMETRIC:
        return AESGCM.generate_key(256)
    return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm.split("_")[3]))


def not_enabled(version):
    error = rpc_error(
        400, f"{version['name']} is not enabled, current state is: {version['state']}.", "FAILED_PRECONDITION"
    )
    error.body["error"]["details"] = [
        {
            "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
            "violations": [{"type": f"KEY_{version['state']}", "subject": version["name"]}],
        }
    ]
    return error


def check_fields(body, *names):
    """Raises for a field that the request does not have, as the API's JSON transcoding does."""
    for name in body:
        if name not in {*names, *(f"{known}Crc32c" for known in names)}:
            raise rpc_error(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')


def checked_bytes(body, name):
    """Returns the bytes of a field, and true if the request has their checksum. Raises if it does not match."""
    text = body.get(name, "")
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        value = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (AttributeError, ValueError, binascii.Error):
        raise rpc_error(400, f"Invalid value at '{name}' (TYPE_BYTES), Base64 decoding failed for \"{text}\"") from None
    checksum = body.get(f"{name}Crc32c")
    if checksum is None:
        return value, False
    if not re.fullmatch(r"[0-9]{1,19}", str(checksum)):
        raise rpc_error(400, f"Invalid value at '{name}Crc32c.value' (TYPE_INT64), \"{checksum}\"")
    if int(checksum) != crc32c(value):
        snake = re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)
        raise rpc_error(400, f"The checksum in field {snake}_crc32c did not match the data in field {snake}.")
    return value, True


def check_lengths(level, plaintext, data):
    if len(plaintext) > 65536 or len(data) > 65536 or (level == "HSM" and len(plaintext) + len(data) > 8192):
        raise rpc_error(400, "The plaintext or the additional authenticated data is larger than this key allows.")


def associated(version, data):
    return version["reference"] + data


def encoded(data):
    return base64.b64encode(data).decode()


def varint(number):
    result = b""
    while number > 0x7F:
        result += bytes([number & 0x7F | 0x80])
        number >>= 7
    return result + bytes([number])


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
