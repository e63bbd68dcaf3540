"""How tests steer the GCP fake: the requests to /control, which gcp_server.py describes, and the faults that they cause."""

import base64
import json
import secrets
import time

from gcp_iam import Principal, Refused, oauth_error, rpc_error
from gcp_tokens import CLOUD_PLATFORM
from joserfc import jwt
from joserfc.jwk import RSAKey

ADMIN = "user:admin@example.com"
# The example project. Pools are named by the number, and created by the id.
PROJECT_ID, PROJECT_NUMBER = "example-project", "123456789012"
ISSUER = "https://issuer.example.com"


def default_settings():
    return {
        "token_seconds": 3600, "delay": 0, "destroy_at_once": False, "quota_projects": None,
        "metadata": {"principal": None, "flavor": True, "project": PROJECT_ID, "universe": "googleapis.com"},
    }  # fmt: skip


class Control:
    """The requests to /control."""

    def __init__(self, server):
        self.server = server
        self.issuer_key, self.subject_token = None, ""

    def steer(self, action, call):
        """Carries out a request, as the top of gcp_server.py describes."""
        if call.method == "GET":
            return self.server.settings
        server, body, admin = self.server, call.json(), Principal(ADMIN)
        role = body.get("role", "")
        role = role if role.startswith("roles/") else f"roles/{role}"
        match action:
            case "":
                for name, value in body.items():
                    if name not in server.settings:
                        raise ValueError(f"{name} is not a setting")
                    server.settings[name] = server.settings[name] | value if isinstance(value, dict) else value
                return server.settings
            case "key":
                ring, _, identifier = body["key"].rpartition("/cryptoKeys/")
                if ring not in server.kms.rings:
                    server.kms.create_ring(admin, *ring.split("/keyRings/"))
                template = {"protectionLevel": body.get("level", "SOFTWARE")}
                purpose = "ENCRYPT_DECRYPT"
                if "algorithm" in body:
                    purpose, template["algorithm"] = "ASYMMETRIC_DECRYPT", body["algorithm"]
                key = server.kms.create_key(admin, ring, identifier, {"purpose": purpose, "versionTemplate": template})
                for member, roles in body.get("grants", {}).items():
                    for one in roles:
                        server.policies.grant(body["key"], "roles/" + one.removeprefix("roles/"), member)
                return key
            case "grant":
                server.policies.grant(body["resource"], role, body["member"])
            case "revoke":
                server.policies.bindings[body["resource"]][role].discard(body["member"])
            case "rotate":
                number = server.kms.add_version(body["key"])["name"].rpartition("/")[2]
                asymmetric = server.kms.key(body["key"])["purpose"] == "ASYMMETRIC_DECRYPT"
                return server.kms.describe_version(body["key"], number) if asymmetric else server.kms.set_primary(body["key"], number)
            case "version":
                return server.kms.set_state(body["key"], str(body["version"]), body["state"])
            case "token":
                principal, scopes = Principal(body["principal"]), body.get("scopes", [CLOUD_PLATFORM])
                token, seconds = server.tokens.issue(principal, scopes, "test", body.get("seconds"))
                return {"access_token": token, "expires_in": seconds}
            case "service-account":
                server.accounts.create(body["email"], body.get("project", PROJECT_ID))
                return server.accounts.create_key(body["email"], f"{server.url}/token")
            case "user":
                return server.tokens.create_user(body["email"])
            case "provider":
                return self.create_provider(body)
            case "subject-token":
                self.subject_token = self.sign(body)
                return {"token": self.subject_token}
            case "fail":
                server.faults.faults.append(body)
            case "corrupt":
                server.faults.corruptions.append(body)
            case "forget":
                server.tokens.issued = {token: known for token, known in server.tokens.issued.items() if ".admin." in token}
                server.faults.clear()
            case _:
                raise ValueError(f"/control/{action} does not exist")
        return {}

    def create_provider(self, body):
        jwks = body.get("jwks") or {"keys": [self.signing_key().as_dict(private=False)]}
        settings = {
            "oidc": {
                "issuerUri": body.get("issuer", ISSUER), "jwksJson": json.dumps(jwks), "allowedAudiences": body.get("audiences", [])
            },
            "attributeMapping": body.get("mapping", {"google.subject": "assertion.sub"}),
        }  # fmt: skip
        if body.get("condition"):
            settings["attributeCondition"] = body["condition"]
        return self.server.pools.create_provider(body["audience"].removeprefix("//iam.googleapis.com/"), settings)

    def signing_key(self):
        self.issuer_key = self.issuer_key or RSAKey.generate_key(2048, {"kid": "issuer", "use": "sig"})
        return self.issuer_key

    def sign(self, body):
        now, claims = int(time.time()), dict(body)
        lifetime = claims.pop("seconds", 3600)
        claims = {"iss": ISSUER, "iat": now, "nbf": now, "exp": now + lifetime, "jti": secrets.token_hex(8)} | claims
        return jwt.encode({"alg": "RS256", "kid": "issuer"}, claims, self.signing_key())


class Faults:
    """The errors and the changed responses that tests have asked for."""

    def __init__(self):
        self.faults, self.corruptions = [], []

    def clear(self):
        self.faults, self.corruptions = [], []

    def raise_next(self, service, operation):
        """Raises the next error that was told for this operation."""
        for fault in self.faults:
            if fault["service"] != service or fault.get("operation", operation) != operation:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            if fault["times"] == 0:
                self.faults.remove(fault)
            raise failure(service, fault)

    def corrupted(self, operation, response):
        """Returns the response with the changes that were told for this operation."""
        for corruption in list(self.corruptions):
            if corruption["operation"] == operation:
                corruption["times"] = corruption.get("times", 1) - 1
                if corruption["times"] == 0:
                    self.corruptions.remove(corruption)
                name = corruption["field"]
                value = corruption["value"] if "value" in corruption else flipped(response[name])
                response = {key: given for key, given in response.items() if key != name}
                if value is not None:
                    response[name] = value
        return response


def failure(service, fault):
    status, message = fault["status"], fault.get("message", "this request was told to fail")
    headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
    if fault.get("html") or not status:
        return Refused(status, "<html><body>Bad gateway</body></html>", headers | {"Content-Type": "text/html"})
    if service in {"oauth2", "sts"}:
        refused = oauth_error(fault.get("error", "temporarily_unavailable" if status >= 429 else "invalid_grant"), message, status)
    elif service == "metadata":
        refused = Refused(status, message, {"Content-Type": "text/plain"})
    else:
        refused = rpc_error(status, message, fault.get("error", "UNKNOWN" if status == 502 else None))
    refused.headers.update(headers)
    return refused


def flipped(value):
    """Returns a field with another value of the same kind: other bytes, another checksum, or another name."""
    if isinstance(value, bool):
        return not value
    if value.isdigit():
        return str(int(value) ^ 1)
    try:
        data = bytearray(base64.b64decode(value, validate=True))
        data[-1] ^= 1
        return base64.b64encode(data).decode()
    except ValueError:
        return value + "x"
