"""Keys of Key Vault and Managed HSM: their versions, their cryptography, and the permissions on them.

Source: Azure Key Vault REST API reference (Keys), "Azure Key Vault REST API error codes".
"""

import base64
import binascii
import secrets
import time

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import padding, rsa

API_VERSIONS = {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"}
KEY_OPERATIONS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
# Operations of the API, with the last parts of the data action that Azure RBAC wants for them.
ACTIONS = {
    "wrapKey": "wrap/action",
    "unwrapKey": "unwrap/action",
    "getKey": "read",
    "listVersions": "read",
    "createKey": "create/action",
    "rotateKey": "rotate/action",
    "updateKey": "update/action",
    "deleteKey": "delete",
}
AES_WRAP = {"A128KW": 16, "A192KW": 24, "A256KW": 32}


class Refused(Exception):
    """An error response of Key Vault."""

    def __init__(self, status, code, message, inner=None, headers=None):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        error = {"code": code, "message": message}
        if inner:
            error["innererror"] = {"code": inner}
        self.body = {"error": error}


class KeyVersion:
    def __init__(self, kty, size, operations):
        self.version = secrets.token_hex(16)
        self.kty, self.size = kty, size
        self.operations = operations or (["wrapKey", "unwrapKey"] if kty == "oct-HSM" else KEY_OPERATIONS)
        self.enabled, self.not_before, self.expires = True, None, None
        self.created = int(time.time())
        if kty in ("RSA", "RSA-HSM"):
            self.material = rsa.generate_private_key(public_exponent=65537, key_size=size)
        elif kty == "oct-HSM":
            self.material = secrets.token_bytes(size // 8)
        else:
            raise bad_parameter(f"Property 'kty' has invalid value {kty}.")

    def check_usable(self, operation):
        """Refuses operations of a disabled key, and those that make something new outside of its time."""
        if not self.enabled:
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on a disabled key.", "KeyDisabled")
        if operation not in self.operations:
            raise Refused(403, "Forbidden", f"Operation {operation} is not permitted on this key.", "KeyOperationForbidden")
        if operation == "unwrapKey":
            return
        if self.expires and self.expires <= time.time():
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on an expired key.", "KeyExpired")
        if self.not_before and self.not_before > time.time():
            raise Refused(403, "Forbidden", f"Operation {operation} is not allowed on a key that is not yet valid.", "KeyNotYetValid")

    def wrap(self, algorithm, value):
        if rsa_padding := self.padding(algorithm):
            if len(value) > self.size // 8 - 2 * rsa_padding[1] - 2:
                raise bad_parameter()
            return self.material.public_key().encrypt(value, rsa_padding[0])
        if len(value) < 16 or len(value) % 8:
            raise bad_parameter()
        return keywrap.aes_key_wrap(self.material, value)

    def unwrap(self, algorithm, value):
        try:
            if rsa_padding := self.padding(algorithm):
                return self.material.decrypt(value, rsa_padding[0])
            return keywrap.aes_key_unwrap(self.material, value)
        except (ValueError, InvalidKey, keywrap.InvalidUnwrap):
            raise bad_parameter() from None

    def padding(self, algorithm):
        """Returns the RSA padding of an algorithm and the size of its hash, or None for AES key wrap."""
        digests = {"RSA-OAEP": hashes.SHA1(), "RSA-OAEP-256": hashes.SHA256()}  # noqa: S303
        if algorithm in digests and self.kty != "oct-HSM":
            digest = digests[algorithm]
            return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None), digest.digest_size
        if self.kty == "oct-HSM" and AES_WRAP.get(algorithm) == len(self.material):
            return None
        raise bad_parameter(f"Key and algorithm are not compatible: {self.kty}, {algorithm}.")


class Vault:
    def __init__(self, name, kind, tenant, mode, suffix):
        self.name, self.kind, self.tenant, self.mode = name, kind, tenant, mode
        self.host = f"{name}.{suffix}"
        self.url, self.resource = f"https://{self.host}", f"https://{suffix}"
        self.closed = False
        self.keys = {}
        self.grants = []

    def find(self, name, version, operation):
        """Returns a version of a key; an empty version means the newest one."""
        versions = self.keys.get(name, [])
        for key in reversed(versions):
            if version in ("", key.version):
                return key
        raise Refused(
            404,
            "KeyNotFound",
            f"A key with (name/id) {name}{'/' if version else ''}{version} was not found in this key vault. If you "
            "recently deleted this key you may be able to recover it using the correct recovery command.",
        )

    def create(self, name, kty="RSA", size=None, operations=None):
        if self.kind != "hsm" and kty.startswith("oct"):
            raise bad_parameter("Property 'kty' has invalid value oct-HSM: only Managed HSM has symmetric keys.")
        key = KeyVersion(kty, size or (256 if kty == "oct-HSM" else 2048), operations)
        self.keys.setdefault(name, []).append(key)
        return key

    def rotate(self, name):
        last = self.find(name, "", "rotate")
        return self.create(name, last.kty, last.size, last.operations)

    def key_id(self, name, key):
        return f"{self.url}/keys/{name}/{key.version}"

    def authorize(self, token, operation, name):
        """Refuses a caller without a role assignment (or access policy) for the operation."""
        if self.closed:
            message = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1"
            raise Refused(403, "Forbidden", message, "ForbiddenByFirewall")
        for grant in self.grants:
            if grant["client_id"] == token.client_id and grant["key"] in ("*", name) and operation in grant["operations"]:
                return
        caller = f"appid={token.client_id};oid={token.object_id};iss=https://sts.windows.net/{self.tenant}/"
        if self.mode == "policy":
            raise Refused(
                403,
                "Forbidden",
                f"The user, group or application '{caller}' does not have keys {operation} permission on key vault "
                f"'{self.name};location=westeurope'.",
                "ForbiddenByPolicy",
            )
        kind = "managedHsm" if self.kind == "hsm" else "vaults"
        raise Refused(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
            f"definitions were changed recently, please observe propagation time.\r\nCaller: {caller}\r\nAction: "
            f"'Microsoft.KeyVault/{kind}/keys/{ACTIONS[operation]}'\r\nAssignment: (not found)\r\nVault: {self.name};location=westeurope\r\n",
            "ForbiddenByRbac",
        )

    def perform(self, operation, name, version, body):
        """Performs an operation of the Keys API and returns the response's body."""
        if operation == "createKey":
            return self.bundle(name, self.create(name, body.get("kty", "RSA"), body.get("key_size"), body.get("key_ops")))
        key = self.find(name, version, operation)
        if operation in ("wrapKey", "unwrapKey"):
            key.check_usable(operation)
            value, algorithm = decoded(body.get("value")), body.get("alg")
            result = key.wrap(algorithm, value) if operation == "wrapKey" else key.unwrap(algorithm, value)
            return {"kid": self.key_id(name, key), "value": encoded(result)}
        if operation == "listVersions":
            return {"value": [{"kid": self.key_id(name, each), "attributes": attributes(each)} for each in self.keys[name]], "nextLink": None}
        if operation == "rotateKey":
            return self.bundle(name, self.rotate(name))
        if operation == "updateKey":
            wanted = body.get("attributes", {})
            key.enabled = wanted.get("enabled", key.enabled)
            key.not_before, key.expires = wanted.get("nbf", key.not_before), wanted.get("exp", key.expires)
        if operation == "deleteKey":
            del self.keys[name]
        return self.bundle(name, key)

    def bundle(self, name, key):
        jwk = {"kid": self.key_id(name, key), "kty": key.kty, "key_ops": key.operations}
        if key.kty != "oct-HSM":
            numbers = key.material.public_key().public_numbers()
            jwk["n"] = encoded(numbers.n.to_bytes(key.size // 8, "big"))
            jwk["e"] = encoded(numbers.e.to_bytes(3, "big"))
        return {"key": jwk, "attributes": attributes(key), "tags": {}}


def attributes(key):
    times = {name: value for name, value in (("nbf", key.not_before), ("exp", key.expires)) if value}
    return {"enabled": key.enabled, "created": key.created, "updated": key.created, "recoveryLevel": "Recoverable+Purgeable", **times}


def bad_parameter(message="The parameter is incorrect.\r\n"):
    return Refused(400, "BadParameter", message)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text):
    """Returns the bytes of base64url without padding."""
    if not isinstance(text, str) or not text or "=" in text or "+" in text or "/" in text:
        raise bad_parameter("Property 'value' has invalid value\r\n")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        raise bad_parameter("Property 'value' has invalid value\r\n") from None
