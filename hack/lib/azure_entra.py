"""Microsoft Entra ID's client credentials, and managed identities of the instance metadata service.

It is stricter than Entra ID in one point: after a revocation, only a token that was requested with the claims of the
challenge is accepted.

Source: Microsoft identity platform, "OAuth 2.0 client credentials flow", "Application authentication certificate
credentials", "Claims challenges"; "How to use managed identities to get an access token" (IMDS).
"""

import hashlib
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field

import jwt
from azure_vault import encoded
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefused(Exception):
    """An error response of the token endpoint."""

    def __init__(self, status, error, number, message):
        super().__init__(message)
        self.status = status
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        self.body = {
            "error": error,
            "error_description": f"AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {correlation}",
            "error_codes": [number],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": trace,
            "correlation_id": correlation,
        }


@dataclass
class Token:
    text: str
    client_id: str
    object_id: str
    audience: str
    tenant: str
    expires: float
    # The `nbf` of the claims challenge that it was requested with.
    claims_time: int
    # The client said that it understands claims challenges.
    understands_claims: bool


@dataclass
class Application:
    client_id: str
    tenant: str
    object_id: str
    secret: str | None = None
    certificate: x509.Certificate | None = None
    federated: list = field(default_factory=list)


class Directory:
    """All tenants."""

    def __init__(self):
        self.applications, self.issuers, self.tokens, self.revocations = {}, {}, {}, {}
        self.identities = []
        self.lifetime, self.refresh_in = 3599, None

    def add_application(self, client_id, tenant, secret=None, certificate=None, federated=(), object_id=None):
        certificate = x509.load_pem_x509_certificate(certificate.encode()) if certificate else None
        self.applications[client_id] = Application(
            client_id, tenant, object_id or str(uuid.uuid4()), secret, certificate, list(federated)
        )

    def token_response(self, tenant, token_endpoint, form):
        """Answers a POST to the token endpoint."""
        application = self.authenticate(tenant, token_endpoint, form)
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            raise TokenRefused(400, "invalid_scope", 1002012, f"The provided value for scope {scope} is not valid.")
        return self.response(self.issue(application, scope.removesuffix("/.default"), form.get("claims")))

    def authenticate(self, tenant, token_endpoint, form):
        if tenant not in {application.tenant for application in self.applications.values()}:
            raise TokenRefused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        if form.get("grant_type") != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        application = self.applications.get(form.get("client_id"))
        if application is None or application.tenant != tenant:
            message = f"Application with identifier '{form.get('client_id')}' was not found in the directory '{tenant}'."
            raise TokenRefused(400, "unauthorized_client", 700016, message)
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise TokenRefused(400, "invalid_request", 900144, "The request body must contain 'client_assertion_type'.")
            self.check_assertion(application, token_endpoint, form["client_assertion"])
        elif application.secret is None or not secrets.compare_digest(form.get("client_secret", ""), application.secret):
            raise TokenRefused(401, "invalid_client", 7000215, f"Invalid client secret provided for app '{application.client_id}'.")
        return application

    def check_assertion(self, application, token_endpoint, assertion):
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise TokenRefused(400, "invalid_request", 50027, "JWT token is invalid or malformed.") from None
        if claims.get("iss") == application.client_id:
            key = self.certificate_key(application, header)
            expected = {"audience": token_endpoint, "issuer": application.client_id}
            if claims.get("sub") != application.client_id or "jti" not in claims:
                raise TokenRefused(401, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id'.")
        else:
            key, expected = self.federated_key(application, header, claims), {}
        try:
            jwt.decode(
                assertion,
                key,
                algorithms=["RS256", "PS256"],
                options={"require": ["exp", "aud", "iss", "sub"], "verify_aud": "audience" in expected},
                **expected,
            )
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            raise TokenRefused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.") from None
        except jwt.InvalidAudienceError:
            raise TokenRefused(401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.") from None
        except jwt.PyJWTError:
            raise TokenRefused(401, "invalid_client", 700027, "The certificate used to sign the client assertion is not registered, or the signature is wrong.") from None

    def certificate_key(self, application, header):
        """Returns the registered key that the header names by `x5t#S256` or, as older clients do, by `x5t`."""
        if application.certificate is not None:
            der = application.certificate.public_bytes(Encoding.DER)
            thumbprints = {"x5t#S256": hashlib.sha256(der), "x5t": hashlib.sha1(der)}  # noqa: S324
            if any(str(header.get(name)).rstrip("=") == encoded(digest.digest()) for name, digest in thumbprints.items()):
                return application.certificate.public_key()
        raise TokenRefused(401, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application.")

    def federated_key(self, application, header, claims):
        issuer, subject = claims.get("iss"), claims.get("sub")
        audiences = claims.get("aud") if isinstance(claims.get("aud"), list) else [claims.get("aud")]
        trusted = [each for each in application.federated if each["issuer"] == issuer]
        if not trusted:
            raise TokenRefused(401, "invalid_client", 700211, f"No matching federated identity record found for presented assertion issuer '{issuer}'.")
        trusted = [each for each in trusted if each["subject"] == subject]
        if not trusted:
            raise TokenRefused(401, "invalid_client", 700213, f"No matching federated identity record found for presented assertion subject '{subject}'.")
        if not any(each.get("audience", "api://AzureADTokenExchange") in audiences for each in trusted):
            raise TokenRefused(401, "invalid_client", 700212, f"No matching federated identity record found for presented assertion audience '{audiences[0]}'.")
        for key in self.issuers.get(issuer, {}).get("keys", []):
            if key.get("kid") == header.get("kid"):
                return jwt.PyJWK(key, algorithm="RS256").key
        raise TokenRefused(401, "invalid_client", 700027, "The signing key of the client assertion was not found at its issuer.")

    def issue(self, principal, audience, claims=None):
        try:
            wanted = json.loads(claims or "{}").get("access_token", {})
        except ValueError:
            raise TokenRefused(400, "invalid_request", 50222, "The claims parameter is not valid JSON.") from None
        expires = time.time() + self.lifetime
        text = jwt.encode(
            {"aud": audience, "iss": f"https://sts.windows.net/{principal.tenant}/", "tid": principal.tenant}
            | {"appid": principal.client_id, "oid": principal.object_id, "exp": int(expires), "jti": secrets.token_hex(8)},
            secrets.token_bytes(32),
            algorithm="HS256",
        )
        self.tokens[text] = Token(
            text,
            principal.client_id,
            principal.object_id,
            audience,
            principal.tenant,
            expires,
            int(wanted.get("nbf", {}).get("value", 0)),
            "CP1" in [value.upper() for value in wanted.get("xms_cc", {}).get("values", [])],
        )
        return self.tokens[text]

    def response(self, token):
        more = {"refresh_in": self.refresh_in} if self.refresh_in is not None else {}
        return {"token_type": "Bearer", "expires_in": self.lifetime, "ext_expires_in": self.lifetime, "access_token": token.text, **more}

    def revoke(self, client_id):
        """Makes vaults demand new tokens of this application."""
        self.revocations[client_id] = max(int(time.time()), self.revocations.get(client_id, 0) + 1)

    def managed_identity_response(self, query):
        """Answers a GET of the instance metadata service."""
        selectors = {"client_id": "client_id", "object_id": "object_id", "msi_res_id": "resource_id", "mi_res_id": "resource_id"}
        asked = [(name, query[parameter]) for parameter, name in selectors.items() if parameter in query]
        found = [each for each in self.identities if all(each[name] == value for name, value in asked)]
        if not asked:
            found = [each for each in found if each["system"]] or found
        if not found:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        if len(found) > 1:
            message = "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"
            return 400, {"error": "invalid_request", "error_description": message}
        identity = Application(found[0]["client_id"], found[0]["tenant"], found[0]["object_id"])
        token = self.issue(identity, query["resource"])
        return 200, {
            "access_token": token.text,
            "client_id": identity.client_id,
            "expires_in": str(self.lifetime),
            "expires_on": str(int(token.expires)),
            "ext_expires_in": str(self.lifetime),
            "not_before": str(int(time.time())),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
