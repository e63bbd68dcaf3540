"""GCP on loopback, for the quickstart and the tests: Cloud KMS (gcp_kms.py), IAM (gcp_iam.py), and the token services
(gcp_tokens.py): OAuth 2, Security Token Service, IAM credentials, metadata server. Requests to /control (gcp_control.py) steer
it. Tests/Fakes/test_gcp_server.py proves it with
google-cloud-kms and google-auth.

    gcp_server.py PORT FOLDER [--stdin]   listens on 127.0.0.1:PORT (0: a free port)

It prints its port on standard output and writes it to FOLDER/port when it accepts requests. FOLDER/admin-token holds an access
token of user:admin@example.com, the owner of all projects. FOLDER/requests.log gets a JSON line for each request of a client:
{"service", "operation", "status", "principal", "project" (the quota project)}. With --stdin the server ends, and removes FOLDER, when its
standard input closes.

All services share the port; the path tells them apart:
    /v1/projects/P/locations/L/keyRings...                                  Cloud KMS
    /token                                                                  OAuth 2 token endpoint (`token_uri`)
    /v1/token                                                               STS (`token_url`)
    /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken                IAM credentials
    /v1/projects/P/serviceAccounts..., /v1/projects/P/locations/global/workloadIdentityPools...   IAM
    /, /computeMetadata/v1/...                                              metadata server (GCE_METADATA_HOST)
    /subject-token                                                          a source of subject tokens (`credential_source.url`)

For tests, each POST with a JSON body (no token needed), which answers with JSON:
    /control/key {"key": "projects/P/locations/L/keyRings/R/cryptoKeys/K", "level"?: "HSM", "algorithm"?: ASYMMETRIC, "grants"?: {MEMBER: [ROLE, ...]}}
            creates the key ring and the key, and grants roles ("roles/" may be left out: "cloudkms.cryptoKeyDecrypter")
    /control/grant {"resource": NAME, "member": MEMBER, "role": ROLE}       /control/revoke {same}
    /control/rotate {"key": KEY}                                            adds a version and makes it primary
    /control/version {"key": KEY, "version": "1", "state": "ENABLED|DISABLED|DESTROY_SCHEDULED|DESTROYED"}
    /control/token {"principal": MEMBER, "seconds"?: N, "scopes"?: [...]}   -> {"access_token"}
    /control/service-account {"email": EMAIL, "project"?: P}                -> a key file (type service_account)
    /control/user {"email": EMAIL}                                          -> a file of gcloud (type authorized_user)
    /control/provider {"audience": "//iam.googleapis.com/projects/N/locations/global/workloadIdentityPools/POOL/providers/ID",
                       "issuer"?, "jwks"?, "audiences"?: [...], "mapping"?: {...}, "condition"?: CEL}
            creates a provider; without issuer and jwks it trusts the tokens of /control/subject-token
    /control/subject-token {"sub": SUBJECT, "aud": AUDIENCE, "seconds"?: N, other claims...}   -> {"token"}
            is a JWT of the server's own issuer, which /subject-token repeats as text, or as {"token": ...} with ?format=json
    /control/fail {"service": SERVICE, "operation"?: NAME, "status": N, "retry_after"?: SECONDS, "error"?: STATUS_OR_OAUTH_CODE,
                   "message"?: TEXT, "times"?: 1, "skip"?: 0, "html"?: true}
            lets the next requests fail: SERVICE is kms, oauth2, sts, iamcredentials or metadata; `times` 0 is for ever; 429 is
            RESOURCE_EXHAUSTED, 503 UNAVAILABLE, 401 UNAUTHENTICATED; `skip` lets requests pass first; `html` is a proxy's page;
            status 0 closes the connection without a response
    /control/corrupt {"operation": "encrypt|decrypt", "field": NAME, "times"?: 1, "value"?: ANY}
            changes a response: without `value` a bit of the field's bytes or checksum flips; value null removes the field
    /control/forget {}                      every access token that was issued is invalid from now on (401); faults end
    /control {"token_seconds": N}           lifetime of access tokens (3600)
    /control {"delay": SECONDS}             delays all responses
    /control {"destroy_at_once": true}      :destroy ends in DESTROYED instead of DESTROY_SCHEDULED
    /control {"metadata": {"principal": MEMBER or null, "flavor": false, "project": P, "universe": DOMAIN}}
            the identity of the metadata server (null: none, 404), and an impostor that sends no `Metadata-Flavor: Google`
    /control {"quota_projects": [P, ...]}   the only projects that X-Goog-User-Project may name (null: any)
GET /control returns these settings.
"""

import base64
import json
import os
import re
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from gcp_control import ADMIN, PROJECT_ID, PROJECT_NUMBER, Control, Faults, default_settings
from gcp_iam import Policies, Pools, Principal, Refused, ServiceAccounts, oauth_error, rpc_error
from gcp_kms import KEY, KMS, PARENT, RING
from gcp_tokens import CLOUD_PLATFORM, Tokens

POOLS = r"projects/[^/:]+/locations/global/workloadIdentityPools"
ACCOUNTS = r"projects/[^/:]+/serviceAccounts"
LARGEST_BODY = 1 << 20


class Server:
    """The state of all services, and the routes to them."""

    def __init__(self, folder):
        self.settings = default_settings()
        self.policies, self.accounts, self.pools = Policies(), ServiceAccounts(), Pools()
        self.tokens = Tokens(self.settings, self.policies, self.accounts, self.pools)
        self.kms = KMS(self.policies)
        self.policies.grant("projects", "roles/owner", ADMIN)
        self.control, self.faults = Control(self), Faults()
        self.lock = threading.RLock()
        self.url = ""
        self.folder = folder
        self.log = open(os.path.join(folder, "requests.log"), "a", buffering=1)

    def write_ready(self, port):
        self.url = f"http://127.0.0.1:{port}"
        token, _ = self.tokens.issue(Principal(ADMIN), [CLOUD_PLATFORM], "admin", 10 * 365 * 86400)
        for name, text in (("admin-token", token), ("port", str(port))):
            with open(os.open(os.path.join(self.folder, name), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                file.write(text + "\n")

    def serve(self, call):
        """Returns the status, the headers and the body of the response to a call."""
        try:
            if call.path.startswith("/control"):
                with self.lock:
                    return 200, {}, self.control.steer(call.path.removeprefix("/control").strip("/"), call)
            call.service, call.operation = describe(call.method, call.path)
            check_host(call)
            with self.lock:
                self.faults.raise_next(call.service, call.operation)
                return 200, {}, self.route(call)
        except Refused as refused:
            return refused.code, refused.headers, refused.body
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return 400, {}, {"error": {"code": 400, "message": f"Invalid request: {error!r}", "status": "INVALID_ARGUMENT"}}

    def route(self, call):
        match call.service:
            case "oauth2":
                return self.tokens.oauth(call.form())
            case "sts":
                return self.tokens.exchange(call.form())
            case "iamcredentials" if call.operation == "generateAccessToken":
                email = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", call.path)[1]
                return self.tokens.generate(call.header("Authorization"), email, call.json())
            case "metadata":
                return self.metadata(call)
            case "subject-token":
                return {"token": self.control.subject_token} if call.query.get("format") == "json" else self.control.subject_token
            case "kms" | "iam":
                call.principal = self.tokens.authenticate(call.header("Authorization"))
                self.check_quota_project(call)
                return self.resources(call, call.principal)
        raise rpc_error(404, f"The requested URL {call.path} was not found on this server.")

    def check_quota_project(self, call):
        call.project, known = call.header("X-Goog-User-Project"), self.settings["quota_projects"]
        if call.project and known is not None and call.project not in known:
            raise rpc_error(
                403, f"Caller does not have required permission to use project {call.project}. Grant the caller the "
                "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use permission.",
                reason="USER_PROJECT_DENIED", consumer=f"projects/{call.project}",
            )  # fmt: skip

    def resources(self, call, principal):
        """Routes a request of Cloud KMS or IAM with the admin surface that the pages of docs use."""
        path, body = call.path.removeprefix("/v1/"), call.json() if call.method in {"POST", "PATCH"} else {}
        name, _, verb = path.partition(":")
        whole = name.partition("/cryptoKeyVersions")[0]
        number = name.rpartition("/cryptoKeyVersions/")[2] if "/cryptoKeyVersions/" in name else None
        may = lambda permission, resource=name: self.policies.check(principal, permission, resource)  # noqa: E731
        match call.method, verb:
            case "POST", "encrypt" if re.fullmatch(KEY, whole):
                return self.faults.corrupted("encrypt", self.kms.encrypt(principal, whole, number, body))
            case "POST", "decrypt" if re.fullmatch(KEY, name):
                return self.faults.corrupted("decrypt", self.kms.decrypt(principal, name, body))
            case "POST", "asymmetricDecrypt" if number and re.fullmatch(KEY, whole):
                return self.faults.corrupted("asymmetricDecrypt", self.kms.asymmetric_decrypt(principal, whole, number, body))
            case "GET", "" if number and number.endswith("/publicKey"):
                answer = self.kms.public_key(principal, whole, number.removesuffix("/publicKey"))
                return self.faults.corrupted("publicKey", answer)
            case "POST", "updatePrimaryVersion":
                may("cloudkms.cryptoKeys.update")
                return self.kms.set_primary(name, body["cryptoKeyVersionId"])
            case "POST", "destroy" if number:
                may("cloudkms.cryptoKeyVersions.destroy", whole)
                state = "DESTROYED" if self.settings["destroy_at_once"] else "DESTROY_SCHEDULED"
                return self.kms.set_state(whole, number, state)
            case "POST", "restore" if number:
                may("cloudkms.cryptoKeyVersions.restore", whole)
                return self.kms.set_state(whole, number, "DISABLED")
            case "GET" | "POST", "getIamPolicy":
                may(permission(name, "getIamPolicy"))
                return self.policies.policy(name)
            case "POST", "setIamPolicy":
                may(permission(name, "setIamPolicy"))
                return self.policies.replace(name, body["policy"])
            case "POST", "testIamPermissions":
                return {"permissions": [one for one in body["permissions"] if self.policies.allows(principal, one, name)]}
            case "PATCH", "" if number:
                may("cloudkms.cryptoKeyVersions.update", whole)
                return self.kms.set_state(whole, number, body["state"])
            case "POST", "":
                return self.create(call, principal, name, body)
            case "GET", "":
                return self.read(may, name, whole, number)
        raise rpc_error(404, f"Method not found: {call.method} {call.path}")

    def create(self, call, principal, name, body):
        parent, _, kind = name.rpartition("/")
        if kind == "keyRings" and re.fullmatch(PARENT, parent):
            return self.kms.create_ring(principal, parent, call.query["keyRingId"])
        if kind == "cryptoKeys" and re.fullmatch(RING, parent):
            return self.kms.create_key(principal, parent, call.query["cryptoKeyId"], body)
        if kind == "cryptoKeyVersions" and re.fullmatch(KEY, parent):
            self.policies.check(principal, "cloudkms.cryptoKeyVersions.create", parent)
            return self.kms.add_version(parent)
        self.policies.check(principal, "iam.create", parent)
        if re.fullmatch(ACCOUNTS, name):
            project = parent.rpartition("/")[2]
            return self.accounts.create(f"{body['accountId']}@{project}.iam.gserviceaccount.com", project)
        if kind == "keys" and re.fullmatch(rf"{ACCOUNTS}/[^/:]+", parent):
            content = self.accounts.create_key(parent.rpartition("/")[2], f"{self.url}/token")
            data = base64.b64encode(json.dumps(content).encode()).decode()
            return {"name": f"{parent}/keys/{content['private_key_id']}", "privateKeyData": data}
        name = name.replace(f"projects/{PROJECT_ID}/locations/global/", f"projects/{PROJECT_NUMBER}/locations/global/")
        parent = name.rpartition("/")[0]
        if re.fullmatch(POOLS, name):
            self.pools.pools.add(f"{name}/{call.query['workloadIdentityPoolId']}")
            return {"name": f"{name}/operations/1", "done": True}
        if kind == "providers" and parent in self.pools.pools:
            self.pools.create_provider(f"{name}/{call.query['workloadIdentityPoolProviderId']}", body)
            return {"name": f"{name}/operations/1", "done": True}
        raise rpc_error(404, f"Method not found: POST {call.path}")

    def read(self, may, name, whole, number):
        if number:
            may("cloudkms.cryptoKeyVersions.get", whole)
            return self.kms.describe_version(whole, number)
        if name.endswith("/cryptoKeyVersions"):
            may("cloudkms.cryptoKeyVersions.list", whole)
            versions = [self.kms.describe_version(whole, one) for one in self.kms.key(whole)["versions"]]
            return {"cryptoKeyVersions": versions, "totalSize": len(versions)}
        if re.fullmatch(KEY, name):
            may("cloudkms.cryptoKeys.get")
            return self.kms.describe(name)
        if re.fullmatch(RING, name):
            may("cloudkms.keyRings.get")
            if name not in self.kms.rings:
                raise rpc_error(404, f"KeyRing {name} not found.")
            return self.kms.rings[name]
        if re.fullmatch(rf"{ACCOUNTS}/[^/:]+", name):
            may("iam.get")
            return self.accounts.describe(name.rpartition("/")[2])
        raise rpc_error(404, f"Method not found: GET /v1/{name}")

    def metadata(self, call):
        host = call.header("Host").rpartition(":")[0] or call.header("Host")
        known = {"127.0.0.1", "localhost", "metadata.google.internal", "169.254.169.254"}
        if call.header("Metadata-Flavor") != "Google" or call.header("X-Forwarded-For") or host not in known:
            raise Refused(403, "<!DOCTYPE html><title>Error 403 (Forbidden)!!1</title>", {"Content-Type": "text/html"})
        if call.path == "/":
            return "computeMetadata/\n"
        content = self.tokens.metadata(call.path.removeprefix("/computeMetadata/v1/"), call.query)
        if content is None:
            raise Refused(404, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", {"Content-Type": "text/html"})
        return content

def check_host(call):
    """Raises if the Host header is that of another service than the path's; a client may come by the real names."""
    host = call.header("Host").rpartition(":")[0] or call.header("Host")
    if host in {"127.0.0.1", "localhost", ""} or call.service == "metadata":
        return
    names = {"kms": "cloudkms", "oauth2": "oauth2", "sts": "sts", "iamcredentials": "iamcredentials", "iam": "iam"}
    if names.get(call.service) != host.partition(".")[0]:
        raise rpc_error(404, f"The requested URL {call.path} was not found on this server.")


def permission(name, verb):
    kind = {"cryptoKeys": "cloudkms.cryptoKeys", "keyRings": "cloudkms.keyRings"}.get(name.split("/")[-2], "iam.serviceAccounts")
    return f"{kind}.{verb}"


def describe(method, path):
    """Returns the service and the operation of a request."""
    last = path.rpartition("/")[2]
    if path == "/token":
        return "oauth2", "token"
    if path == "/v1/token":
        return "sts", "token"
    if path == "/subject-token":
        return "subject-token", "get"
    if path == "/" or path.startswith("/computeMetadata/"):
        return "metadata", last
    if path.startswith("/v1/projects/-/serviceAccounts/"):
        return "iamcredentials", last.rpartition(":")[2]
    if path.startswith("/v1/projects/"):
        return "kms" if "/keyRings" in path else "iam", last.partition(":")[2] or {"POST": "create", "PATCH": "update"}.get(method, "get")
    return "unknown", last


class Call:
    """A request of a client."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.path, self.query = method, unquote(parts.path), dict(parse_qsl(parts.query))
        self.headers, self.body = headers, body
        self.service = self.operation = self.principal = self.project = None

    def header(self, name):
        return self.headers.get(name, "")

    def form(self):
        if self.method != "POST" or not self.header("Content-Type").startswith("application/x-www-form-urlencoded"):
            raise oauth_error("invalid_request", "A POST with Content-Type application/x-www-form-urlencoded is required.")
        return dict(parse_qsl(self.body.decode(), strict_parsing=True))

    def json(self):
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise rpc_error(400, "Invalid JSON payload received. Unexpected token.") from None
        if not isinstance(value, dict) or (self.body and not self.header("Content-Type").startswith("application/json")):
            raise rpc_error(400, "A JSON object with Content-Type application/json is required.")
        return value


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ESF", ""
    disable_nagle_algorithm = True
    wbufsize = -1

    def respond(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self.send_error(413 if length > LARGEST_BODY else 411)
            return
        call = Call(self.command, self.path, self.headers, self.rfile.read(length))
        server = self.server.state
        status, headers, content = server.serve(call)
        if call.service:
            with server.lock:
                principal = call.principal.name if call.principal else None
                line = {"service": call.service, "operation": call.operation, "status": status}
                server.log.write(json.dumps(line | {"principal": principal, "project": call.project or None}) + "\n")
            time.sleep(server.settings["delay"])
        if not status:
            self.close_connection = True
            return
        text = isinstance(content, str)
        body = (content if text else json.dumps(content, indent=2) + "\n").encode()
        self.send_response(status)
        defaults = {"Content-Type": "text/plain" if text else "application/json; charset=UTF-8", "Content-Length": str(len(body))}
        if call.service == "metadata" and server.settings["metadata"]["flavor"]:
            defaults["Metadata-Flavor"] = "Google"
        for name, value in (defaults | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = respond

    def log_message(self, *arguments):
        pass


class HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(port, folder, *options):
    server = HTTPServer(("127.0.0.1", int(port)), Handler)
    server.state = Server(folder)
    server.state.write_ready(server.server_port)
    print(server.server_port, flush=True)
    if "--stdin" not in options:
        server.serve_forever()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
