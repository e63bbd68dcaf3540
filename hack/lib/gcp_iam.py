"""Principals, roles and policies of the GCP fake (gcp_server.py). Source: IAM documentation, "Understanding roles" for Cloud
KMS, "Principal identifiers", and "Workload Identity Federation"."""

import json
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

USE = "cloudkms.cryptoKeyVersions.useTo"
MANAGE = {
    f"cloudkms.{kind}.{verb}"
    for kind in ("keyRings", "cryptoKeys", "cryptoKeyVersions")
    for verb in ("create", "destroy", "get", "getIamPolicy", "list", "restore", "setIamPolicy", "update")
}
ROLES = {
    "roles/owner": {"*"},
    "roles/cloudkms.admin": MANAGE,
    "roles/cloudkms.viewer": {permission for permission in MANAGE if permission.endswith((".get", ".list"))},
    "roles/cloudkms.cryptoKeyEncrypter": {f"{USE}Encrypt"},
    "roles/cloudkms.cryptoKeyDecrypter": {f"{USE}Decrypt"},
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": {f"{USE}Encrypt", f"{USE}Decrypt"},
    "roles/cloudkms.publicKeyViewer": {"cloudkms.cryptoKeyVersions.viewPublicKey"},
    "roles/iam.workloadIdentityUser": {"iam.serviceAccounts.getAccessToken"},
    "roles/iam.serviceAccountTokenCreator": {"iam.serviceAccounts.getAccessToken"},
    "roles/serviceusage.serviceUsageConsumer": {"serviceusage.services.use"},
}
STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


class Refused(Exception):
    """An error response with a JSON body."""

    def __init__(self, code, body, headers=None):
        super().__init__(code, body)
        self.code, self.body, self.headers = code, body, headers or {}


def rpc_error(code, message, status=None, reason=None, domain="googleapis.com", **metadata):
    """Returns an error of an API: google.rpc.Status, with an ErrorInfo if there is a reason."""
    error = {"code": code, "message": message, "status": status or STATUSES[code]}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain}
        error["details"] = [info | ({"metadata": metadata} if metadata else {})]
    return Refused(code, {"error": error})


def oauth_error(error, description, code=400):
    """Returns an error of a token endpoint (RFC 6749, section 5.2)."""
    return Refused(code, {"error": error, "error_description": description})


@dataclass
class Principal:
    """The holder of an access token: all member names under which a policy can list it."""

    name: str
    members: set = field(default_factory=set)

    def __post_init__(self):
        self.members = self.members | {self.name}

    @property
    def email(self):
        return self.name.partition(":")[2] if self.name.startswith(("serviceAccount:", "user:")) else None


class Policies:
    """Role bindings by resource. A binding applies to the resource and to all below it."""

    def __init__(self):
        self.bindings = {}

    def grant(self, resource, role, member):
        if role not in ROLES:
            raise rpc_error(400, f"Role {role} is not supported for this resource.")
        self.bindings.setdefault(resource, {}).setdefault(role, set()).add(member)

    def replace(self, resource, policy):
        self.bindings[resource] = {}
        for binding in policy.get("bindings", []):
            if binding.get("condition"):
                raise rpc_error(501, "this server does not evaluate conditions of role bindings")
            for member in binding.get("members", []):
                self.grant(resource, binding["role"], member)
        return self.policy(resource)

    def policy(self, resource):
        bindings = self.bindings.get(resource, {})
        return {
            "version": 1,
            "etag": "BwXhqDVRBl8=",
            "bindings": [{"role": role, "members": sorted(members)} for role, members in sorted(bindings.items()) if members],
        }

    def allows(self, principal, permission, resource):
        for holder, bindings in self.bindings.items():
            if resource == holder or resource.startswith(holder + "/"):
                for role, members in bindings.items():
                    if ROLES[role] & {permission, "*"} and members & (principal.members | {"allAuthenticatedUsers"}):
                        return True
        return False

    def check(self, principal, permission, resource, domain="cloudkms.googleapis.com"):
        if not self.allows(principal, permission, resource):
            raise rpc_error(
                403, f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
                reason="IAM_PERMISSION_DENIED", domain=domain, permission=permission, resource=resource,
            )  # fmt: skip


class ServiceAccounts:
    """Service accounts and the public keys of their key files."""

    def __init__(self):
        self.accounts = {}
        self.made = 0

    def create(self, email, project):
        self.made += 1
        self.accounts.setdefault(email, {"project": project, "uniqueId": f"1{self.made:020d}", "keys": {}})
        return self.describe(email)

    def describe(self, email):
        account = self.accounts.get(email)
        if account is None:
            raise rpc_error(404, f"Unknown service account: {email}", reason="ACCOUNT_NOT_FOUND", domain="iam.googleapis.com")
        name = f"projects/{account['project']}/serviceAccounts/{email}"
        return {"name": name, "email": email, "projectId": account["project"], "uniqueId": account["uniqueId"]}

    def create_key(self, email, token_uri, universe="googleapis.com"):
        """Returns the content of a key file."""
        self.describe(email)
        account = self.accounts[email]
        self.made += 1
        identifier = f"{self.made:040x}"
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        account["keys"][identifier] = key.public_key()
        return {
            "type": "service_account",
            "project_id": account["project"],
            "private_key_id": identifier,
            "private_key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode(),
            "client_email": email,
            "client_id": account["uniqueId"],
            "token_uri": token_uri,
            "universe_domain": universe,
        }


class Pools:
    """Workload identity pools and their OIDC providers, by the resource name of the provider."""

    def __init__(self):
        self.pools = set()
        self.providers = {}

    def create_provider(self, name, settings):
        """Adds a provider. `settings` are a WorkloadIdentityPoolProvider with the issuer's keys in oidc.jwksJson."""
        if "jwksJson" not in settings.get("oidc", {}) or "issuerUri" not in settings["oidc"]:
            raise rpc_error(400, "this server verifies tokens with oidc.issuerUri and oidc.jwksJson; both are required")
        if "google.subject" not in settings.get("attributeMapping", {}):
            raise rpc_error(400, "The attribute mapping must contain google.subject.")
        self.pools.add(name.rpartition("/providers/")[0])
        self.providers[name] = settings
        return {"name": name, "state": "ACTIVE"} | settings

    def principal(self, audience, token):
        """Returns the principal of a subject token that the provider `audience` accepts."""
        name = audience.removeprefix("//iam.googleapis.com/")
        provider = self.providers.get(name)
        if provider is None or name == audience:
            raise oauth_error(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or '
                "provider is disabled or deleted or because it doesn't exist.",
            )
        assertion = self.claims(name, provider, token)
        mapped = {key: str(evaluate(value, assertion=assertion)) for key, value in provider["attributeMapping"].items()}
        attributes = {key.removeprefix("attribute."): value for key, value in mapped.items() if key.startswith("attribute.")}
        condition = provider.get("attributeCondition")
        google = {"subject": mapped["google.subject"]}
        if condition and evaluate(condition, assertion=assertion, google=google, attribute=attributes) is not True:
            raise oauth_error("unauthorized_client", "The given credential is rejected by the attribute condition.")
        pool = f"iam.googleapis.com/{name.rpartition('/providers/')[0]}"
        members = {f"principalSet://{pool}/*"}
        members |= {f"principalSet://{pool}/attribute.{key}/{value}" for key, value in attributes.items()}
        return Principal(f"principal://{pool}/subject/{mapped['google.subject']}", members)

    def claims(self, name, provider, token):
        oidc = provider["oidc"]
        try:
            keys = KeySet.import_key_set(json.loads(oidc["jwksJson"]))
            claims = jwt.decode(token, keys, algorithms=["RS256", "ES256"]).claims
        except (JoseError, ValueError) as error:
            raise oauth_error("invalid_grant", f"The ID Token could not be verified: {type(error).__name__}.") from None
        if claims.get("iss") != oidc["issuerUri"]:
            raise oauth_error("invalid_grant", f"The issuer in ID Token {claims.get('iss')} does not match the expected ones: {oidc['issuerUri']}.")
        wanted = oidc.get("allowedAudiences") or [f"//iam.googleapis.com/{name}", f"https://iam.googleapis.com/{name}"]
        given = claims.get("aud", [])
        if not set([given] if isinstance(given, str) else given) & set(wanted):
            raise oauth_error("invalid_grant", f"The audience in ID Token [{given}] does not match the expected audience.")
        if claims.get("exp", 0) <= time.time():
            raise oauth_error("invalid_grant", "ID Token has expired.")
        if claims.get("nbf", 0) > time.time() + 60 or "iat" not in claims:
            raise oauth_error("invalid_grant", "ID Token is not yet valid.")
        return claims


def evaluate(expression, **variables):
    """Returns the value of a CEL expression of a provider's mapping or condition."""
    # It takes more time to load than the rest of the server, and few tests exchange tokens of a provider.
    import celpy

    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    try:
        value = program.evaluate({name: celpy.json_to_cel(value) for name, value in variables.items()})
    except celpy.CELEvalError:
        raise oauth_error("invalid_grant", f"The expression {expression} has no value for the given credential.") from None
    return bool(value) if isinstance(value, celpy.celtypes.BoolType) else value
