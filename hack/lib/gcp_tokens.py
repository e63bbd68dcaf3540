"""The token services of the GCP fake (gcp_server.py): OAuth 2 token endpoint, Security Token Service, IAM credentials, and the
metadata server. Source: google-auth 2.62.2, and the reference of each service."""

import base64
import json
import secrets
import time

from gcp_iam import Principal, oauth_error, rpc_error
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
KMS_SCOPES = {CLOUD_PLATFORM, "https://www.googleapis.com/auth/cloudkms"}
IAM_SCOPES = {CLOUD_PLATFORM, "https://www.googleapis.com/auth/iam"}
SUBJECT_TOKEN_TYPES = {f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("jwt", "id_token")}
OAUTH_AUDIENCE = "https://oauth2.googleapis.com/token"
KMS_AUDIENCE = "https://cloudkms.googleapis.com/"


class Tokens:
    """Access tokens, and all that issue them."""

    def __init__(self, control, policies, accounts, pools):
        self.control, self.policies, self.accounts, self.pools = control, policies, accounts, pools
        self.issued, self.users, self.cached = {}, {}, {}

    def issue(self, principal, scopes, kind, seconds=None):
        """Returns a new access token and its lifetime."""
        seconds = self.control["token_seconds"] if seconds is None else seconds
        token = f"ya29.{kind}.{secrets.token_urlsafe(48)}"
        self.issued[token] = {"principal": principal, "scopes": set(scopes), "expires": time.time() + seconds}
        return token, seconds

    def answer(self, principal, scopes, kind, **more):
        token, seconds = self.issue(principal, scopes, kind)
        return {"access_token": token, "expires_in": int(seconds), "token_type": "Bearer", **more}

    def authenticate(self, header, scopes=KMS_SCOPES):
        """Returns the principal of an Authorization header whose token has one of these scopes."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Request is missing required authentication credential.", "CREDENTIALS_MISSING")
        if token.count(".") == 2 and token.startswith("ey"):
            return self.self_signed(token)
        known = self.issued.get(token)
        if known is None:
            raise unauthenticated("Request had invalid authentication credentials.", "ACCESS_TOKEN_TYPE_UNSUPPORTED")
        if known["expires"] <= time.time():
            raise unauthenticated("Request had invalid authentication credentials.", "ACCESS_TOKEN_EXPIRED")
        if not known["scopes"] & scopes:
            raise rpc_error(
                403, "Request had insufficient authentication scopes.", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"
            )
        return known["principal"]

    def self_signed(self, token):
        """Returns the service account that signed this JWT for Cloud KMS instead of asking for an access token."""
        try:
            claims = self.signed_claims(token)
        except JoseError as error:
            raise unauthenticated(f"The JWT could not be verified: {type(error).__name__}.", "ACCESS_TOKEN_TYPE_UNSUPPORTED") from None
        scopes = set(claims.get("scope", "").split())
        lasting = claims.get("exp", 0) - claims.get("iat", 0)
        if claims.get("iss") != claims.get("sub") or not 0 < lasting <= 3600 or claims["exp"] <= time.time():
            raise unauthenticated("The JWT's claims are invalid.", "ACCESS_TOKEN_EXPIRED")
        if claims.get("aud") != KMS_AUDIENCE and not scopes & KMS_SCOPES:
            raise unauthenticated("The JWT is for another audience.", "ACCESS_TOKEN_TYPE_UNSUPPORTED")
        return Principal(f"serviceAccount:{claims['iss']}")

    def signed_claims(self, token):
        """Returns the claims of a JWT with the signature of one of the issuer's keys."""
        header = json.loads(decoded_segment(token, 0))
        issuer = json.loads(decoded_segment(token, 1)).get("iss", "")
        key = self.accounts.accounts.get(issuer, {}).get("keys", {}).get(header.get("kid"))
        if key is None:
            raise JoseError("unknown key")
        return jwt.decode(token, RSAKey.import_key(key), algorithms=["RS256"]).claims

    # oauth2.googleapis.com/token

    def oauth(self, form):
        match form.get("grant_type"):
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self.service_account(form.get("assertion", ""))
            case "refresh_token":
                return self.refresh(form)
            case other:
                raise oauth_error("unsupported_grant_type", f"Invalid grant_type: {other}")

    def service_account(self, assertion):
        try:
            claims = self.signed_claims(assertion)
        except (JoseError, ValueError, IndexError):
            raise oauth_error("invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("aud") != OAUTH_AUDIENCE:
            raise oauth_error("invalid_grant", "Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token")
        issued, expires = claims.get("iat", 0), claims.get("exp", 0)
        if not (time.time() - 600 < expires <= issued + 3600 and abs(issued - time.time()) < 3600) or expires <= time.time():
            raise oauth_error(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp "
                "values in the JWT claim.",
            )
        if not claims.get("scope"):
            raise oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        return self.answer(Principal(f"serviceAccount:{claims['iss']}"), claims["scope"].split(), "c.sa")

    def create_user(self, email):
        """Returns the content of gcloud's application_default_credentials.json for this user."""
        user = {
            "type": "authorized_user",
            "client_id": "764086051850-example.apps.googleusercontent.com",
            "client_secret": secrets.token_urlsafe(24),
            "refresh_token": "1//" + secrets.token_urlsafe(32),
            "universe_domain": "googleapis.com",
        }
        self.users[user["refresh_token"]] = user | {"email": email}
        return user

    def refresh(self, form):
        user = self.users.get(form.get("refresh_token"))
        if user is None:
            raise oauth_error("invalid_grant", "Token has been expired or revoked.")
        if form.get("client_id") != user["client_id"] or form.get("client_secret") != user["client_secret"]:
            raise oauth_error("invalid_client", "The OAuth client was not found.", 401)
        scopes = form.get("scope", CLOUD_PLATFORM).split()
        return self.answer(Principal(f"user:{user['email']}"), scopes, "a.user", scope=" ".join(scopes))

    # sts.googleapis.com/v1/token

    def exchange(self, form):
        expected = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        for field, value in expected.items():
            if form.get(field) != value:
                raise oauth_error("invalid_request", f"Invalid value for {field}.")
        for field in ("audience", "scope", "subject_token"):
            if not form.get(field):
                raise oauth_error("invalid_request", f"{field} is required.")
        if form.get("subject_token_type") not in SUBJECT_TOKEN_TYPES:
            raise oauth_error("invalid_request", "Invalid value for subject_token_type.")
        principal = self.pools.principal(form["audience"], form["subject_token"])
        return self.answer(
            principal, form["scope"].split(), "d.sts", issued_token_type="urn:ietf:params:oauth:token-type:access_token"
        )

    # iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken

    def generate(self, header, email, body):
        domain = "iamcredentials.googleapis.com"
        principal = self.authenticate(header, IAM_SCOPES)
        if email not in self.accounts.accounts:
            raise rpc_error(404, f"Not found; Gaia id not found for email {email}", domain=domain)
        # Each of a chain of delegates needs the right on the next.
        for target in [*(name.rpartition("/")[2] for name in body.get("delegates") or []), email]:
            resource = f"projects/{self.accounts.describe(target)['projectId']}/serviceAccounts/{target}"
            self.policies.check(principal, "iam.serviceAccounts.getAccessToken", resource, domain)
            principal = Principal(f"serviceAccount:{target}")
        lifetime = body.get("lifetime", "3600s")
        if not lifetime.endswith("s") or not 0 < float(lifetime[:-1]) <= 3600:
            raise rpc_error(400, "The lifetime of the access token must be positive and at most 3600 seconds.")
        if not body.get("scope"):
            raise rpc_error(400, "scope is required")
        token, seconds = self.issue(principal, body["scope"], "c.imp", min(float(lifetime[:-1]), self.control["token_seconds"]))
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        return {"accessToken": token, "expireTime": expires}

    # The metadata server

    def metadata(self, path, query):
        """Returns the content of a path below /computeMetadata/v1/ as text or JSON, or None."""
        principal = self.control["metadata"]["principal"]
        email = principal and (principal.partition(":")[2] if ":" in principal.split("/")[0] else "default")
        account, _, rest = path.removeprefix("instance/service-accounts/").partition("/")
        if path == "universe/universe-domain":
            return self.control["metadata"]["universe"]
        if path == "project/project-id":
            return self.control["metadata"]["project"]
        if path == "instance/service-accounts/" and principal:
            return f"default/\n{email}/\n"
        if account not in {"default", email} or not principal:
            return None
        if rest == "token":
            return self.metadata_token(principal, query.get("scopes", CLOUD_PLATFORM))
        if rest == "email":
            return email
        if rest == "" and query.get("recursive") == "true":
            return {"aliases": ["default"], "email": email, "scopes": [CLOUD_PLATFORM]}
        return None

    def metadata_token(self, principal, scopes):
        """Returns the same token until five minutes before its end, or a twelfth of its lifetime if that is shorter."""
        token = self.cached.get((principal, scopes))
        left = self.issued[token]["expires"] - time.time() if token in self.issued else 0
        if left <= min(300, self.control["token_seconds"] / 12):
            token, left = self.issue(Principal(principal), scopes.split(","), "c.md")
            self.cached[principal, scopes] = token
        return {"access_token": token, "expires_in": int(left), "token_type": "Bearer"}


def unauthenticated(message, reason):
    advice = "Expected OAuth 2 access token, login cookie or other valid authentication credential."
    error = rpc_error(401, f"{message} {advice}", reason=reason)
    error.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    return error


def decoded_segment(token, index):
    segment = token.split(".")[index]
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
