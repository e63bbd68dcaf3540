"""Deterministic building blocks of the vectors."""

import copy
import hashlib
import itertools

from .envelope import b64, binding, compute_mac, key_id, seal_value, wrap


class Stream:
    """Returns reproducible bytes: SHA-256 of a label and a counter. For test vectors only."""

    def __init__(self, label):
        self.label = label.encode()
        self.counter = itertools.count()

    def __call__(self, count):
        data = b""
        while len(data) < count:
            data += hashlib.sha256(self.label + b"\0" + next(self.counter).to_bytes(8, "big")).digest()
        return data[:count]


MASTER = Stream("master")(32)
PREVIOUS = Stream("previous master")(32)
STRANGER = Stream("stranger's master")(32)
VAULT = {"keyID": "vault-transit:transit/sb-wrap", "wrappedKey": "vault:v1:" + b64(Stream("vault")(60))}
PLACE = {"namespace": "payments", "secretName": "db"}
VALUES = {"password": b"correct horse battery staple", "user": b"app"}


class Made:
    """An envelope with all its inputs, for cases that change parts of it."""

    def __init__(
        self, label, values=None, scope="strict", namespace="payments", name="db", masters=(MASTER,)
    ):
        self.random = Stream(label)
        self.scope = scope
        self.values = VALUES if values is None else values
        self.bound = binding(scope, namespace, name)
        self.data_key = self.random(32)
        self.recipients = [self.recipient(master) for master in masters]
        self.sealed = {entry: self.seal(entry, value) for entry, value in self.values.items()}

    def recipient(self, master, data_key=None, bound=None):
        data_key = self.data_key if data_key is None else data_key
        wrapped = wrap(master, data_key, self.bound if bound is None else bound, self.random(12))
        return {"keyID": key_id(master), "wrappedKey": wrapped}

    def seal(self, entry, value, bound=None):
        return seal_value(self.data_key, bound or self.bound, entry, value, self.random(12))

    def mac(self):
        return compute_mac(self.data_key, self.bound, self.sealed)

    def spec(self, **changes):
        """Returns the fields of the spec; a change to None omits the field."""
        spec = {
            "format": "v1",
            "scope": self.scope,
            "recipients": self.recipients,
            "mac": b64(self.mac()),
            "data": {entry: b64(value) for entry, value in self.sealed.items()},
        }
        spec.update(changes)
        return copy.deepcopy({field: value for field, value in spec.items() if value is not None})


def opens(name, comment, spec, values, place=PLACE, masters=(MASTER,)):
    plaintext = {entry: b64(value) for entry, value in values.items()}
    return case(name, comment, "opens", spec, place, masters) | {"plaintext": plaintext}


def refused(name, comment, expect, spec, place=PLACE, masters=(MASTER,)):
    return case(name, comment, expect, spec, place, masters)


def case(name, comment, expect, spec, place, masters):
    return {
        "name": name,
        "comment": comment,
        "expect": expect,
        "masters": [b64(master) for master in masters],
        "namespace": place["namespace"],
        "secretName": place["secretName"],
        "spec": spec,
    }


def flipped(data, index=0):
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]
