"""Issues tokens of service accounts, as a cluster does."""

import json
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Issuer:
    def __init__(self):
        self.url = f"https://issuer.example/{uuid.uuid4()}"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.jwks = {"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())) | {"kid": "k1", "alg": "RS256"}]}

    def token(self, subject, audience="api://AzureADTokenExchange", lifetime=600, issuer=None):
        claims = {"iss": issuer or self.url, "sub": subject, "aud": [audience], "exp": int(time.time()) + lifetime}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "k1"})


def issue(subject):
    """Returns a token of the subject and one of another service account, with what verifies them."""
    issuer = Issuer()
    other = issuer.token("system:serviceaccount:default:default")
    return {"issuer": issuer.url, "jwks": issuer.jwks, "token": issuer.token(subject), "other": other}
