"""RSA keys of AWS KMS for moto, which otherwise uses the symmetric cipher for keys of every type.

install() makes Encrypt, Decrypt, ReEncrypt, GenerateDataKey and GetPublicKey serve keys of RSA_2048, RSA_3072 and RSA_4096 with the
usage ENCRYPT_DECRYPT as KMS does. Source: KMS API reference, the operations' EncryptionAlgorithm and errors.
"""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import InvalidCiphertextException, InvalidKeyUsageException
from moto.kms.responses import KmsResponse

SYMMETRIC = "SYMMETRIC_DEFAULT"
HASHES = {"RSAES_OAEP_SHA_1": hashes.SHA1(), "RSAES_OAEP_SHA_256": hashes.SHA256()}  # noqa: S303
encrypt, decrypt, re_encrypt, generate_data_key, get_public_key = (
    KmsResponse.encrypt, KmsResponse.decrypt, KmsResponse.re_encrypt, KmsResponse.generate_data_key, KmsResponse.get_public_key
)  # fmt: skip


def install():
    KmsResponse.encrypt, KmsResponse.decrypt, KmsResponse.re_encrypt = serve_encrypt, serve_decrypt, serve_re_encrypt
    KmsResponse.generate_data_key, KmsResponse.get_public_key = serve_generate_data_key, serve_get_public_key


def find(response, parameter="KeyId"):
    """Returns the key that a parameter names, or None."""
    key_id = response._get_param(parameter)
    try:
        return response.kms_backend.keys.get(response.kms_backend.any_id_to_key_id(key_id)) if key_id else None
    except (AttributeError, KeyError, JsonRESTError):
        return None


def is_rsa(key):
    return key is not None and key.key_spec.startswith("RSA_")


def check_algorithm(key, algorithm):
    """Raises unless the key serves the algorithm."""
    # moto leaves the usage of keys that were created without one unset.
    if key.key_usage not in ("ENCRYPT_DECRYPT", "", None) or algorithm not in (key.encryption_algorithms or []):
        raise InvalidKeyUsageException()


def oaep(algorithm):
    digest = HASHES[algorithm]
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)


def sealed(response, key, algorithm, context, plaintext):
    """Returns the ciphertext of a key of either type."""
    check_algorithm(key, algorithm)
    if not is_rsa(key):
        return response.kms_backend.encrypt(key_id=key.id, plaintext=plaintext, encryption_context=context)[0]
    refuse_context(context)
    return key.private_key.private_key.public_key().encrypt(plaintext, oaep(algorithm))


def opened(response, key, algorithm, context, ciphertext):
    check_algorithm(key, algorithm)
    if not is_rsa(key):
        return response.kms_backend.decrypt(ciphertext_blob=ciphertext, encryption_context=context, key_id=key.id)[0]
    refuse_context(context)
    try:
        return key.private_key.private_key.decrypt(ciphertext, oaep(algorithm))
    except ValueError:
        raise InvalidCiphertextException() from None


def refuse_context(context):
    if context:
        raise JsonRESTError("ValidationException", "EncryptionContext is not supported with asymmetric keys.")


def encoded(data):
    return base64.b64encode(data).decode()


def serve_encrypt(self):
    key, algorithm = find(self), self._get_param("EncryptionAlgorithm", SYMMETRIC)
    if key is None:
        return encrypt(self)
    ciphertext = sealed(self, key, algorithm, self._get_param("EncryptionContext", {}), self._get_param("Plaintext"))
    return json.dumps({"CiphertextBlob": encoded(ciphertext), "KeyId": key.arn, "EncryptionAlgorithm": algorithm})


def serve_decrypt(self):
    key, algorithm = find(self), self._get_param("EncryptionAlgorithm", SYMMETRIC)
    if key is None or (algorithm == SYMMETRIC and not is_rsa(key)):
        return decrypt(self)
    plaintext = opened(self, key, algorithm, self._get_param("EncryptionContext", {}), self._get_param("CiphertextBlob"))
    return json.dumps({"Plaintext": encoded(plaintext), "KeyId": key.arn, "EncryptionAlgorithm": algorithm})


def serve_re_encrypt(self):
    source, destination = find(self, "SourceKeyId"), find(self, "DestinationKeyId")
    algorithms = [self._get_param(f"{side}EncryptionAlgorithm", SYMMETRIC) for side in ("Source", "Destination")]
    if source is None or destination is None or not (is_rsa(source) or is_rsa(destination)):
        return re_encrypt(self)
    plaintext = opened(self, source, algorithms[0], self._get_param("SourceEncryptionContext", {}), self._get_param("CiphertextBlob"))
    ciphertext = sealed(self, destination, algorithms[1], self._get_param("DestinationEncryptionContext", {}), plaintext)
    return json.dumps(
        {
            "CiphertextBlob": encoded(ciphertext), "KeyId": destination.arn, "SourceKeyId": source.arn,
            "SourceEncryptionAlgorithm": algorithms[0], "DestinationEncryptionAlgorithm": algorithms[1],
        }
    )  # fmt: skip


def serve_generate_data_key(self):
    if is_rsa(find(self)):
        raise InvalidKeyUsageException()
    return generate_data_key(self)


def serve_get_public_key(self):
    key = find(self)
    if key is None:
        return get_public_key(self)
    if not is_rsa(key):
        raise JsonRESTError("UnsupportedOperationException", f"{key.arn} is not an asymmetric key.")
    # KMS names the key by its ARN.
    return json.dumps(json.loads(get_public_key(self)) | {"KeyId": key.arn, "KeySpec": key.key_spec})
