"""Opens and makes WrappedSecrets with the KMS's own client for Python and the independent envelope of hack/envelope_v1.

    wrapped_secret.py open < wrappedsecret.json            prints {"entry": "value"}
    wrapped_secret.py make NAMESPACE NAME ENTRY=VALUE...   prints a WrappedSecret

What is needed to reach the KMS is in the environment: KMS=vault, VAULT_ADDR, VAULT_CACERT, VAULT_TOKEN; or KMS=aws,
SB_KMS_AWS_KEY_ID, SB_KMS_AWS_REGION and what boto3 reads; or KMS=gcp, SB_KMS_GCP_KEY, SB_KMS_GCP_ENDPOINT,
GOOGLE_APPLICATION_CREDENTIALS (a service account's); or KMS=azure, SB_KMS_AZURE_VAULT_URL, SB_KMS_AZURE_KEY,
REQUESTS_CA_BUNDLE and what azure-identity reads; or KMS=local, SB_WRAP_MASTER_KEY.
"""

import base64
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "hack"))

from envelope_v1 import envelope  # noqa: E402


class Vault:
    def __init__(self, key="sb-wrap", token=None):
        import hvac

        client = hvac.Client(
            url=os.environ["VAULT_ADDR"], token=token or os.environ["VAULT_TOKEN"], verify=os.environ["VAULT_CACERT"]
        )
        self.transit, self.key, self.key_id = client.secrets.transit, key, f"vault-transit:transit/{key}"

    def opens(self, key_id):
        return key_id == self.key_id

    def unwrap(self, recipient, scope, namespace, name):
        context = envelope.b64(envelope.binding(scope, namespace, name))
        answer = self.transit.decrypt_data(self.key, ciphertext=recipient["wrappedKey"], context=context)
        return base64.b64decode(answer["data"]["plaintext"], validate=True)

    def data_key(self, scope, namespace, name):
        context = envelope.b64(envelope.binding(scope, namespace, name))
        answer = self.transit.generate_data_key(self.key, key_type="plaintext", context=context, bits=256)
        recipient = {"keyID": self.key_id, "wrappedKey": answer["data"]["ciphertext"]}
        return base64.b64decode(answer["data"]["plaintext"], validate=True), recipient


class AWS:
    def __init__(self):
        import boto3

        self.kms = boto3.client("kms", region_name=os.environ["SB_KMS_AWS_REGION"])

    def opens(self, key_id):
        return key_id.startswith("arn:aws:kms:")

    @staticmethod
    def context(scope, namespace, name):
        parts = {"scope": scope, "namespace": namespace, "name": name}
        return {f"secrets-bridge.io/{part}": value for part, value in parts.items() if value}

    def unwrap(self, recipient, scope, namespace, name):
        answer = self.kms.decrypt(
            CiphertextBlob=base64.b64decode(recipient["wrappedKey"], validate=True),
            KeyId=recipient["keyID"],
            EncryptionContext=self.context(scope, namespace, name),
        )
        return answer["Plaintext"]

    def data_key(self, scope, namespace, name):
        answer = self.kms.generate_data_key(
            KeyId=os.environ["SB_KMS_AWS_KEY_ID"],
            KeySpec="AES_256",
            EncryptionContext=self.context(scope, namespace, name),
        )
        recipient = {"keyID": answer["KeyId"], "wrappedKey": envelope.b64(answer["CiphertextBlob"])}
        return answer["Plaintext"], recipient


class GCP:
    def __init__(self):
        import google_crc32c
        from google.cloud import kms
        from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceRestTransport
        from google.oauth2 import service_account

        credentials = service_account.Credentials.from_service_account_file(
            os.environ["GOOGLE_APPLICATION_CREDENTIALS"], scopes=["https://www.googleapis.com/auth/cloud-platform"]
        )
        scheme, _, host = os.environ["SB_KMS_GCP_ENDPOINT"].partition("://")
        transport = KeyManagementServiceRestTransport(host=host, url_scheme=scheme, credentials=credentials)
        self.kms = kms.KeyManagementServiceClient(transport=transport)
        self.key, self.checksum = os.environ["SB_KMS_GCP_KEY"], google_crc32c.value

    def opens(self, key_id):
        return key_id == f"gcp-kms:{self.key}"

    def request(self, field, value, *binding):
        data = envelope.binding(*binding)
        return {
            "name": self.key,
            field: value,
            f"{field}_crc32c": self.checksum(value),
            "additional_authenticated_data": data,
            "additional_authenticated_data_crc32c": self.checksum(data),
        }

    def unwrap(self, recipient, scope, namespace, name):
        ciphertext = base64.b64decode(recipient["wrappedKey"], validate=True)
        answer = self.kms.decrypt(request=self.request("ciphertext", ciphertext, scope, namespace, name))
        assert answer.plaintext_crc32c == self.checksum(answer.plaintext)
        return answer.plaintext

    def data_key(self, scope, namespace, name):
        data_key = os.urandom(32)
        answer = self.kms.encrypt(request=self.request("plaintext", data_key, scope, namespace, name))
        assert answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c
        return data_key, {"keyID": f"gcp-kms:{self.key}", "wrappedKey": envelope.b64(answer.ciphertext)}


class Azure:
    """Azure sees no binding."""

    prefix = "azure-key-vault:"

    def __init__(self):
        import azure_fake  # noqa: F401
        from azure.identity import EnvironmentCredential
        from azure.keyvault.keys import KeyClient
        from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

        credential = EnvironmentCredential(disable_instance_discovery=True)
        self.keys = KeyClient(os.environ["SB_KMS_AZURE_VAULT_URL"], credential)
        self.client = lambda kid: CryptographyClient(kid, credential)
        self.algorithm = KeyWrapAlgorithm.rsa_oaep_256

    def opens(self, key_id):
        key = f"{self.prefix}{os.environ['SB_KMS_AZURE_VAULT_URL']}/keys/{os.environ['SB_KMS_AZURE_KEY']}/"
        return key_id.startswith(key)

    def unwrap(self, recipient, scope, namespace, name):
        client = self.client(recipient["keyID"].removeprefix(self.prefix))
        return client.unwrap_key(self.algorithm, base64.b64decode(recipient["wrappedKey"], validate=True)).key

    def data_key(self, scope, namespace, name):
        data_key = os.urandom(32)
        kid = self.keys.get_key(os.environ["SB_KMS_AZURE_KEY"]).id
        wrapped = self.client(kid).wrap_key(self.algorithm, data_key).encrypted_key
        return data_key, {"keyID": self.prefix + kid, "wrappedKey": envelope.b64(wrapped)}


class Local:
    def __init__(self):
        self.master = base64.b64decode(os.environ["SB_WRAP_MASTER_KEY"], validate=True)
        self.key_id = envelope.key_id(self.master)

    def opens(self, key_id):
        return key_id == self.key_id

    def unwrap(self, recipient, scope, namespace, name):
        return envelope.unwrap(self.master, recipient["wrappedKey"], envelope.binding(scope, namespace, name))

    def data_key(self, scope, namespace, name):
        data_key = os.urandom(32)
        wrapped = envelope.wrap(self.master, data_key, envelope.binding(scope, namespace, name), os.urandom(12))
        return data_key, {"keyID": self.key_id, "wrappedKey": wrapped}


KMS = {"vault": Vault, "aws": AWS, "gcp": GCP, "azure": Azure, "local": Local}


def open_wrapped(kms, manifest):
    spec, metadata = manifest["spec"], manifest["metadata"]
    name = spec.get("template", {}).get("metadata", {}).get("name", metadata["name"])
    bound, recipients, mac, sealed = envelope.parse(spec, metadata["namespace"], name)
    recipient = next(r for r in recipients if kms.opens(r["keyID"]))
    data_key = kms.unwrap(recipient, spec["scope"], metadata["namespace"], name)
    assert envelope.compute_mac(data_key, bound, sealed) == mac, "MAC"
    return {entry: envelope.open_value(data_key, bound, entry, value).decode() for entry, value in sealed.items()}


def make_wrapped(kms, namespace, name, values):
    scope = "strict"
    bound = envelope.binding(scope, namespace, name)
    data_key, recipient = kms.data_key(scope, namespace, name)
    sealed = {
        entry: envelope.seal_value(data_key, bound, entry, value.encode(), os.urandom(12))
        for entry, value in values.items()
    }
    return {
        "apiVersion": "secrets-bridge.io/v1alpha1",
        "kind": "WrappedSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "format": "v1",
            "scope": scope,
            "recipients": [recipient],
            "mac": envelope.b64(envelope.compute_mac(data_key, bound, sealed)),
            "data": {entry: envelope.b64(value) for entry, value in sealed.items()},
        },
    }


def main():
    kms = KMS[os.environ["KMS"]]()
    match sys.argv[1:]:
        case ["open"]:
            result = open_wrapped(kms, json.load(sys.stdin))
        case ["make", namespace, name, *values]:
            result = make_wrapped(kms, namespace, name, dict(value.split("=", 1) for value in values))
        case _:
            sys.exit(__doc__)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
