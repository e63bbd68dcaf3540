"""AWS on loopback, for the quickstart and the tests: moto's KMS, STS and IAM, with signatures and policies checked.

Before it stands what moto leaves out and KMS and STS do:
- policies decide about keys and encryption contexts (aws_policies.py), and errors have the services' own form;
- AssumeRoleWithWebIdentity verifies the token against the issuer's keys, the client ids of the OIDC provider and the role's
  trust policy;
- credentials of a session end;
- RSA keys encrypt and decrypt (aws_rsa.py);
- a disabled key and a key that is pending deletion reject all requests;
- a ciphertext names its key: Decrypt and ReEncrypt without a key id are authorised for that key, and with the id of another
  key they are refused (KMS API Reference, "Decrypt", KeyId and IncorrectKeyException).

    aws_server.py PORT FOLDER  FOLDER/issuer.json holds {"issuer": ..., "jwks": {...}} of the cluster
                               FOLDER/requests.log gets a JSON line for each request. Like CloudTrail, it has the caller: the
                               ARN of the user or of the role's session, or the subject of a web identity. It has the
                               resource too, and the encryption context.

MOTO_ACCOUNT_ID is the account. POST /control: {"enforce": true} checks signatures and policies from then on,
{"session_seconds": N} makes sessions that short.
"""

import base64
import datetime
import json
import os
import struct
import sys
import threading
import time
from urllib.parse import parse_qs

import aws_rsa
from aws_policies import Refused, authorize, listed, signer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.kms.utils import _deserialize_ciphertext_blob
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import WSGIRequestHandler, run_simple

ACCOUNT = os.environ["MOTO_ACCOUNT_ID"]
REGION = "eu-west-1"

class Front:
    def __init__(self, folder):
        aws_rsa.install()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.folder = folder
        self.log = open(os.path.join(folder, "requests.log"), "a", buffering=1)
        self.lock = threading.Lock()
        self.control = {"enforce": False, "session_seconds": None}

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = Body(body)
        if environ["PATH_INFO"] == "/control":
            self.control |= json.loads(body)
            return answer(start_response, 200, "text/plain", "")
        service, operation, parameters = describe(environ, body)
        entry = {"service": service, "operation": operation, "status": "200"}

        def started(line, headers, exc_info=None):
            entry["status"] = line.split(" ")[0]
            return start_response(line, headers, exc_info)

        try:
            if operation == "AssumeRoleWithWebIdentity":
                return answer(started, 200, "text/xml", self.assume_role_with_web_identity(parameters, entry))
            if self.control["enforce"] and service:
                self.check(environ, body, service, operation, parameters, entry)
            return self.moto(environ, started)
        except Refused as refused:
            return answer(started, refused.status, *refusal(service, refused))
        finally:
            if service:
                with self.lock:
                    json.dump(entry, self.log)
                    self.log.write("\n")

    def assume_role_with_web_identity(self, parameters, entry):
        entry["resource"] = parameters["RoleArn"]
        claims = self.claims(parameters["WebIdentityToken"])
        entry["principal"] = claims["sub"]
        role = self.trusting_role(parameters["RoleArn"], claims)
        session = sts_backends[ACCOUNT]["aws"].assume_role_with_web_identity(
            region_name=REGION,
            role_session_name=parameters["RoleSessionName"],
            role_arn=role.arn,
            policy=None,
            duration=self.control["session_seconds"] or int(parameters.get("DurationSeconds", 3600)),
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
        """Returns the claims of a token with a valid signature, issuer and time."""
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
        facts = {f"{provider}:aud": listed(claims["aud"]), f"{provider}:sub": [claims["sub"]]}
        federated = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"
        iam = iam_backends[ACCOUNT]["aws"]
        denied = Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
        role = next((role for role in iam.roles.values() if role.arn == arn), None)
        if role is None or federated not in iam.list_open_id_connect_providers():
            raise denied
        if not set(listed(claims["aud"])) & set(iam.get_open_id_connect_provider(federated).client_id_list):
            raise Refused("InvalidIdentityToken", "Incorrect token audience")
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

    def check(self, environ, body, service, operation, parameters, entry):
        token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        for session in sts_backends[ACCOUNT]["aws"].assumed_roles if token else []:
            if session.session_token == token and session.expiration < utcnow():
                raise Refused("ExpiredTokenException", "The security token included in the request is expired")
        request = signer(environ, body, operation, ACCOUNT)
        entry["principal"] = request._access_key.arn
        if service != "kms":
            request.check_action_permitted("*")
            return
        for action, key_id, context in kms_uses(operation, parameters):
            entry.setdefault("resource", key_arn(key_id))
            entry.setdefault("context", context)
            authorize(request, action, key_arn(key_id), context)
            if operation in {"Encrypt", "Decrypt", "GenerateDataKey", "ReEncrypt"}:
                check_state(key_id)
        if operation in {"Decrypt", "ReEncrypt"}:
            check_ciphertext(parameters)


def check_ciphertext(parameters):
    key_id = parameters.get("KeyId") or parameters.get("SourceKeyId")
    named, used = find_key(key_id), ciphertext_key(parameters)
    if key_id and named is None:
        return  # moto reports that there is no such key
    if used is None:
        raise Refused("InvalidCiphertextException", "")
    if named not in (None, used):
        raise Refused(
            "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."
        )


def kms_uses(operation, parameters):
    """Returns the actions of a request with their keys and encryption contexts. ReEncrypt has two."""
    used = ciphertext_key(parameters)
    source = used.id if used else None
    if operation == "ReEncrypt":
        return [
            ("kms:ReEncryptFrom", parameters.get("SourceKeyId") or source, parameters.get("SourceEncryptionContext", {})),
            ("kms:ReEncryptTo", parameters["DestinationKeyId"], parameters.get("DestinationEncryptionContext", {})),
        ]
    return [(f"kms:{operation}", parameters.get("KeyId") or source, parameters.get("EncryptionContext", {}))]


def ciphertext_key(parameters):
    """Returns the key that made the ciphertext of a request, or None if there is no ciphertext of a key."""
    try:
        return find_key(_deserialize_ciphertext_blob(base64.b64decode(parameters["CiphertextBlob"])).key_id)
    except (KeyError, ValueError, struct.error):
        return None


def find_key(key_id):
    kms = kms_backends[ACCOUNT][REGION]
    try:
        return kms.keys.get(kms.any_id_to_key_id(key_id)) if key_id else None
    except (AttributeError, KeyError):
        return None


def key_arn(key_id):
    """Returns the ARN to compare with a policy's Resource, or "*" for an action on no key."""
    key = find_key(key_id)
    return key.arn if key else key_id or "*"


def check_state(key_id):
    key = find_key(key_id)
    if key is None:
        return
    if key.deletion_date is not None:
        raise Refused("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if not key.enabled:
        raise Refused("DisabledException", f"{key.arn} is disabled.")


def describe(environ, body):
    """Returns the service and the action of a request."""
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
    """A body that can be read repeatedly."""

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
