"""Records signatures of Python's `cryptography` and assertions of google-auth: Tests/Vectors/jwt/assertions.json.

  python hack/lib/jwt_vectors.py > Tests/Vectors/jwt/assertions.json

Run it with the interpreter of hack/setup. The key is made for this file and protects nothing.
"""

import base64
import datetime
import json
from unittest import mock

import google.auth
import google.auth.jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.oauth2 import service_account

NOW = datetime.datetime(2026, 11, 29, 4, 0, 0)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMAIL = "sb@p.iam.gserviceaccount.com"


def main():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    pem = {
        name: key.private_bytes(serialization.Encoding.PEM, form, plain).decode()
        for name, form in (
            ("pkcs8", serialization.PrivateFormat.PKCS8),
            ("pkcs1", serialization.PrivateFormat.TraditionalOpenSSL),
        )
    }
    pem["encrypted"] = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"passphrase")
    ).decode()
    messages = [b"", b"a", b"header.claims", bytes(range(256)) * 20]
    signatures = [
        {"message": encoded(message), "signature": encoded(key.sign(message, padding.PKCS1v15(), hashes.SHA256()))}
        for message in messages
    ]
    info = {"client_email": EMAIL, "private_key_id": "abc123", "private_key": pem["pkcs8"], "token_uri": "https://token.example/"}
    account = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
    with mock.patch("google.auth._helpers.utcnow", return_value=NOW):
        assertion = account._make_authorization_grant_assertion()
        other = account.with_always_use_jwt_access(True)
        other._create_self_signed_jwt(None)
        self_signed = other._jwt_credentials._make_jwt()[0]
    document = {
        "google-auth": google.auth.__version__, "now": int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp()), "pem": pem,
        "signatures": signatures, "assertion": parts(assertion), "selfSigned": parts(self_signed),
    }  # fmt: skip
    print(json.dumps(document, indent=1))


def parts(token):
    header, claims, _, _ = google.auth.jwt._unverified_decode(token)
    return {"header": header, "claims": claims}


def encoded(data):
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
