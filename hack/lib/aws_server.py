"""AWS on loopback, for the quickstart and the tests: moto's KMS, STS and IAM, with signatures and policies checked.

Before it stands what moto leaves out and KMS and STS do:
- AssumeRoleWithWebIdentity verifies the token against the issuer's keys and the role's trust policy;
- credentials of a session end;
- a disabled key, and one that waits for its deletion, serve nobody.

    aws_server.py PORT FOLDER  FOLDER/issuer.json holds {"issuer": ..., "jwks": {...}} of the cluster
                               FOLDER/requests.log gets a JSON line for each request

POST /control with {"session_seconds": N} makes sessions that short from then on.
"""

import datetime
import json
import os
import sys
import threading
import time
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import WSGIRequestHandler, run_simple

REGION = "eu-west-1"
KEY_OPERATIONS = {"Encrypt", "Decrypt", "GenerateDataKey", "ReEncrypt"}


class Refused(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Front:
    def __init__(self, folder):
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.folder = folder
        self.log = open(os.path.join(folder, "requests.log"), "a", buffering=1)
        self.lock = threading.Lock()
        self.session_seconds = None

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = Body(body)
        if environ["PATH_INFO"] == "/control":
            self.session_seconds = json.loads(body)["session_seconds"]
            return answer(start_response, 200, "text/plain", "")
        service, operation, parameters = describe(environ, body)
        status = "200"

        def started(line, headers, exc_info=None):
            nonlocal status
            status = line.split(" ")[0]
            return start_response(line, headers, exc_info)

        try:
            if operation == "AssumeRoleWithWebIdentity":
                return answer(started, 200, "text/xml", self.assume_role_with_web_identity(parameters))
            self.check_session(environ)
            if service == "kms" and operation in KEY_OPERATIONS:
                check_key(parameters.get("KeyId") or parameters.get("SourceKeyId"))
            return self.moto(environ, started)
        except Refused as refused:
            return answer(started, refused.status, *refusal(service, refused))
        finally:
            if service:
                with self.lock:
                    json.dump({"service": service, "operation": operation, "status": status}, self.log)
                    self.log.write("\n")

    def assume_role_with_web_identity(self, parameters):
        role = self.trusting_role(parameters["RoleArn"], self.claims(parameters["WebIdentityToken"]))
        session = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role_with_web_identity(
            region_name=REGION,
            role_session_name=parameters["RoleSessionName"],
            role_arn=role.arn,
            policy=None,
            duration=self.session_seconds or int(parameters.get("DurationSeconds", 3600)),
            external_id=None,
        )
        return f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <AssumedRoleUser><Arn>{session.arn}</Arn><AssumedRoleId>{session.user_id}</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>{session.session_token}</SessionToken>
      <SecretAccessKey>{session.secret_access_key}</SecretAccessKey>
      <Expiration>{session.expiration:%Y-%m-%dT%H:%M:%SZ}</Expiration>
      <AccessKeyId>{session.access_key_id}</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"""

    def claims(self, token):
        """Of a token whose signature, issuer and time are right."""
        with open(os.path.join(self.folder, "issuer.json")) as file:
            trusted = json.load(file)
        try:
            claims = jwt.decode(token, KeySet.import_key_set(trusted["jwks"]), algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise Refused("InvalidIdentityToken", f"Couldn't verify the token: {type(error).__name__}") from None
        if claims.get("iss") != trusted["issuer"]:
            raise Refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for this issuer")
        if claims.get("exp", 0) < time.time():
            raise Refused("ExpiredTokenException", "Token expired")
        return claims

    def trusting_role(self, arn, claims):
        provider = claims["iss"].removeprefix("https://")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        facts = {f"{provider}:aud": audiences, f"{provider}:sub": [claims["sub"]]}
        federated = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:oidc-provider/{provider}"
        iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
        known = {provider.arn for provider in iam.list_open_id_connect_providers()}
        denied = Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        role = next((role for role in iam.roles.values() if role.arn == arn), None)
        if role is None or not any(name.endswith(provider) for name in known):
            raise denied
        for statement in json.loads(role.assume_role_policy_document)["Statement"]:
            conditions = statement.get("Condition", {})
            if (
                statement["Effect"] == "Allow"
                and statement["Action"] == "sts:AssumeRoleWithWebIdentity"
                and statement["Principal"].get("Federated") == federated
                and set(conditions) == {"StringEquals"}
                and all(wanted in facts.get(key, []) for key, wanted in conditions["StringEquals"].items())
            ):
                return role
        raise denied

    def check_session(self, environ):
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        for session in sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles if token else []:
            if session.session_token == token and session.expiration < utcnow():
                raise Refused("ExpiredTokenException", "The security token included in the request is expired")


def check_key(key_id):
    kms = kms_backends[DEFAULT_ACCOUNT_ID][REGION]
    try:
        key = kms.keys[kms.any_id_to_key_id(key_id)]
    except KeyError:
        return
    if key.deletion_date is not None:
        raise Refused("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if not key.enabled:
        raise Refused("DisabledException", f"{key.arn} is disabled.")


def describe(environ, body):
    """Which service is called for what."""
    service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if service == "TrentService":
        return "kms", operation, json.loads(body or b"{}")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return "sts" if "2011-06-15" in parameters.get("Version", "") else "iam", parameters.get("Action"), parameters
    return None, None, {}


def refusal(service, refused):
    if service == "kms":
        return "application/x-amz-json-1.1", json.dumps({"__type": refused.code, "message": refused.message})
    return "text/xml", f"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{refused.code}</Code><Message>{refused.message}</Message></Error>
  <RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId>
</ErrorResponse>"""


def answer(start_response, status, content_type, text):
    now = datetime.datetime.now(datetime.timezone.utc)
    body = text.encode()
    start_response(
        f"{status} {'OK' if status == 200 else 'Refused'}",
        [
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Date", f"{now:%a, %d %b %Y %H:%M:%S} GMT"),
        ],
    )
    return [body]


class Body:
    """A body that may be read as often as anybody likes, from its start."""

    def __init__(self, data):
        self.data, self.position = data, 0

    def read(self, size=-1):
        end = len(self.data) if size is None or size < 0 else self.position + size
        chunk = self.data[self.position : end]
        self.position += len(chunk)
        return chunk

    def readline(self, size=-1):
        line = self.data[self.position :].split(b"\n", 1)[0]
        return self.read(min(len(line) + 1, size if size and size > 0 else len(line) + 1))


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *arguments):
        pass


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), sys.argv[2]
    run_simple("127.0.0.1", port, Front(folder), threaded=True, request_handler=Handler)
