"""Makes WrappedSecrets without the product: with the KMS's own client, or a master key, and the independent implementation of the envelope."""

import concurrent.futures
import os
import threading

from envelope_v1 import envelope
from kubernetes_api import APPLY, object_path

BATCH = 100


class TransitKeys:
    """The backend vault-transit: wraps 100 data keys a request."""

    key_id = "vault-transit:transit/sb-wrap"

    def __init__(self, transit):
        self.transit = transit

    def wrap(self, pairs):
        """Returns the wrapped key of each pair of a data key and a binding."""
        batch = [{"plaintext": envelope.b64(key), "context": envelope.b64(bound)} for key, bound in pairs]
        answer = self.transit.encrypt_data("sb-wrap", batch_input=batch)
        return [result["ciphertext"] for result in answer["data"]["batch_results"]]


class LocalKeys:
    """The backend local: wraps with a master key."""

    def __init__(self, master):
        self.master = master
        self.key_id = envelope.key_id(master)

    def wrap(self, pairs):
        """Returns the wrapped key of each pair of a data key and a binding."""
        return [envelope.wrap(self.master, key, bound, os.urandom(12)) for key, bound in pairs]


def wrap(wrapping, places, value, labels=None, spec=None):
    """Yields a WrappedSecret of one value for each place, a pair of namespace and name.

    `wrapping` wraps the data keys. `value` returns the value for a name. `spec` has further fields.
    """
    for start in range(0, len(places), BATCH):
        part = places[start : start + BATCH]
        bound = {place: envelope.binding("strict", *place) for place in part}
        keys = {place: os.urandom(32) for place in part}
        wrapped = wrapping.wrap([(keys[place], bound[place]) for place in part])
        for place, wrapped_key in zip(part, wrapped, strict=True):
            sealed = {"password": envelope.seal_value(keys[place], bound[place], "password", value(place[1]).encode(), os.urandom(12))}
            yield {
                "apiVersion": "secrets-bridge.io/v1alpha1",
                "kind": "WrappedSecret",
                "metadata": {"namespace": place[0], "name": place[1], **({"labels": labels} if labels else {})},
                "spec": {
                    "format": "v1",
                    "scope": "strict",
                    "recipients": [{"keyID": wrapping.key_id, "wrappedKey": wrapped_key}],
                    "mac": envelope.b64(envelope.compute_mac(keys[place], bound[place], sealed)),
                    "data": {entry: envelope.b64(sealed[entry]) for entry in sealed},
                    **(spec or {}),
                },
            }


def in_lanes(items, body, lanes=8):
    """Calls `body` with each item, from several threads. The items may come from a generator."""
    items, lock = iter(items), threading.Lock()

    def lane():
        while True:
            with lock:
                item = next(items, None)
            if item is None:
                return
            body(item)

    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        for done in [pool.submit(lane) for _ in range(lanes)]:
            done.result()


def apply(api, manifests):
    """Applies the manifests as a GitOps engine does."""

    def one(manifest):
        path = object_path(manifest["metadata"]["namespace"], manifest["metadata"]["name"]) + "?fieldManager=bench&force=true"
        api.expect({200, 201}, "PATCH", path, manifest, kind=APPLY)

    in_lanes(manifests, one)
