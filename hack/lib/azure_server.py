"""Azure on loopback, for the quickstart and the tests: Key Vault and Managed HSM, Microsoft Entra ID's token endpoint, and
the instance metadata service. Tests/Fakes proves it with the official clients.

    azure_server.py PORT FOLDER   PORT is that of HTTPS; 0 takes a free one
                                  FOLDER/ca.pem      the CA of the server's certificate
                                  FOLDER/ready       {"port": ..., "metadata_port": ...}, written last
                                  FOLDER/requests.log gets a JSON line for each request

Vaults are at https://NAME.vault.localhost:PORT, managed HSMs at https://NAME.managedhsm.localhost:PORT, Entra ID is at
https://login.localhost:PORT (AZURE_AUTHORITY_HOST), and the metadata service at http://127.0.0.1:METADATA_PORT
(AZURE_POD_IDENTITY_AUTHORITY_HOST). POST http://127.0.0.1:METADATA_PORT/control sets all up: {"do": COMMAND, ...}, where
COMMAND is a method of Control.
"""

import datetime
import ipaddress
import json
import os
import re
import ssl
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from azure_entra import Application, Directory, TokenRefused
from azure_vault import ACTIONS, API_VERSIONS, Refused, Vault, bad_parameter, encoded
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SUFFIXES = {"vault": "vault.localhost", "hsm": "managedhsm.localhost"}
KEY_PATH = re.compile(r"/keys/([0-9a-zA-Z-]{1,127})(?:/([^/]*))?(?:/([^/]+))?/?")


class Azure:
    def __init__(self, port, folder):
        self.port, self.folder = port, folder
        self.directory = Directory()
        self.vaults = {}
        self.faults = []
        self.log = []
        self.log_file = open(os.path.join(folder, "requests.log"), "a", buffering=1)
        self.lock = threading.RLock()
        self.control = Control(self)

    def authority(self, tenant):
        return f"https://login.localhost:{self.port}/{tenant}"

    def record(self, **entry):
        with self.lock:
            self.log.append(entry)
            self.log_file.write(json.dumps(entry) + "\n")

    def fault(self, operation, vault=None):
        """Returns the next fault for an operation."""
        with self.lock:
            for fault in self.faults:
                if fault["on"] in ("*", operation) and fault["vault"] in (None, vault) and fault["count"] > 0:
                    if fault["after"] > 0:
                        fault["after"] -= 1
                        return None
                    fault["count"] -= 1
                    return fault
        return None


class Control:
    """The commands of /control."""

    def __init__(self, azure):
        self.azure = azure

    def vault(self, name, tenant, kind="vault", mode="rbac"):
        vault = Vault(name, kind, tenant, mode, f"{SUFFIXES[kind]}:{self.azure.port}")
        self.azure.vaults[vault.host] = vault
        return {"url": vault.url}

    def remove_vault(self, name):
        self.azure.vaults = {host: vault for host, vault in self.azure.vaults.items() if vault.name != name}

    def firewall(self, name, closed):
        self.find(name).closed = closed

    def key(self, vault, name, kty="RSA", size=None, key_ops=None):
        found = self.find(vault)
        return {"kid": found.key_id(name, found.create(name, kty, size, key_ops))}

    def rotate(self, vault, name):
        found = self.find(vault)
        return {"kid": found.key_id(name, found.rotate(name))}

    def update(self, vault, name, version="", **attributes):
        return self.find(vault).perform("updateKey", name, version, {"attributes": attributes})

    def delete_key(self, vault, name):
        self.find(vault).perform("deleteKey", name, "", {})

    def app(self, **application):
        self.azure.directory.add_application(**application)

    def issuer(self, issuer, jwks):
        self.azure.directory.issuers[issuer] = jwks

    def managed_identity(self, client_id, tenant, object_id=None, resource_id=None, system=False):
        identity = {"client_id": client_id, "tenant": tenant, "object_id": object_id or str(uuid.uuid4())}
        self.azure.directory.identities.append(identity | {"resource_id": resource_id, "system": system})

    def remove_managed_identities(self):
        self.azure.directory.identities.clear()

    def grant(self, client_id, vault, operations, key="*"):
        """Assigns a role with these operations: wrapKey, unwrapKey, getKey, ..."""
        unknown = set(operations) - set(ACTIONS)
        if unknown:
            raise ValueError(f"unknown operations: {sorted(unknown)}")
        self.find(vault).grants.append({"client_id": client_id, "operations": operations, "key": key})

    def remove_grants(self, client_id, vault):
        found = self.find(vault)
        found.grants = [each for each in found.grants if each["client_id"] != client_id]

    def token(self, client_id, tenant, resource):
        """Issues a token of a user, as `az account get-access-token` prints it."""
        user = Application(client_id, tenant, str(uuid.uuid4()))
        token = self.azure.directory.issue(user, resource)
        local = datetime.datetime.fromtimestamp(token.expires)
        return {
            "accessToken": token.text,
            "expiresOn": f"{local:%Y-%m-%d %H:%M:%S.%f}",
            "expires_on": int(token.expires),
            "subscription": "00000000-0000-0000-0000-000000000000",
            "tenant": tenant,
            "tokenType": "Bearer",
        }

    def lifetime(self, seconds, refresh_in=None):
        self.azure.directory.lifetime, self.azure.directory.refresh_in = seconds, refresh_in

    def revoke(self, client_id):
        """Answers the tokens of this application with a claims challenge."""
        self.azure.directory.revoke(client_id)

    def forget_tokens(self):
        """Answers all tokens with 401, as after a change of the vault's tenant."""
        self.azure.directory.tokens.clear()

    def fault(self, on, status=None, count=1, after=0, body=None, text=None, headers=None, delay=0, close=False, vault=None):
        """Answers the next `count` requests for an operation, after the first `after` ones, with this response."""
        fault = {"on": on, "vault": vault, "status": status, "count": count, "after": after, "body": body, "text": text}
        self.azure.faults.append(fault | {"headers": headers or {}, "delay": delay, "close": close})

    def clear_faults(self):
        self.azure.faults.clear()

    def requests(self, start=0):
        return {"requests": self.azure.log[start:], "count": len(self.azure.log)}

    def find(self, name):
        return next(vault for vault in self.azure.vaults.values() if vault.name == name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-IIS/10.0"
    sys_version = ""
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def azure(self):
        return self.server.azure

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        self.handle_path(url.path)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def injected(self, operation, default_body, challenge=None, vault=None):
        """Answers with the next fault for the operation, if there is one. A 401 has the challenge."""
        fault = self.azure.fault(operation, vault)
        if fault is None:
            return False
        time.sleep(fault["delay"])
        if fault["close"]:
            self.close_connection = True
            return True
        if fault["status"] is None:
            return False
        body = fault["text"] if fault["text"] is not None else fault["body"] or default_body(fault["status"])
        self.answer(fault["status"], body, (challenge or {} if fault["status"] == 401 else {}) | fault["headers"])
        return True

    def answer(self, status, body=None, headers=None):
        data = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        self.last_status = status
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class SecureHandler(Handler):
    """Vaults, managed HSMs and Entra ID."""

    def handle_path(self, path):
        host = self.headers.get("Host", "").lower()
        if any(f".{suffix}:" in host for suffix in SUFFIXES.values()):
            self.handle_vault(host, path)
        else:
            self.handle_login(path)

    def handle_vault(self, host, path):
        operation, name, version = self.vault_operation(path)
        client_id, self.last_status = None, None
        try:
            vault = self.azure.vaults.get(host)
            if vault is None:
                raise Refused(404, "VaultNotFound", "The vault was not found.")
            token = self.authenticate(vault)
            client_id = token.client_id
            if self.injected(operation, vault_fault, {"WWW-Authenticate": self.challenge(vault)}, vault.name):
                return
            self.check_version()
            if operation is None:
                raise Refused(404, "NotFound", "The requested resource was not found.")
            vault.authorize(token, operation, name)
            self.answer(200, vault.perform(operation, name, version, self.json_body()))
        except Refused as refused:
            self.answer(refused.status, refused.body, refused.headers)
        finally:
            self.azure.record(
                service="vault", host=host, operation=operation, key=name, version=version, status=self.last_status, client_id=client_id
            )

    def vault_operation(self, path):
        """Returns the operation, the key and the version of a path."""
        match = KEY_PATH.fullmatch(path)
        if match is None:
            return None, None, None
        name, second, third = match[1], match[2] or "", (match[3] or "").lower()
        if self.command == "GET" and not third:
            return ("listVersions", name, "") if second == "versions" else ("getKey", name, second)
        if self.command == "POST" and third in ("wrapkey", "unwrapkey"):
            return {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}[third], name, second
        # An empty version may be left out.
        if self.command == "POST" and not third and second.lower() in ("wrapkey", "unwrapkey"):
            return {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}[second.lower()], name, ""
        if self.command == "POST" and second in ("create", "rotate") and not third:
            return f"{second}Key", name, ""
        if self.command == "PATCH" and not third:
            return "updateKey", name, second
        if self.command == "DELETE" and not second:
            return "deleteKey", name, ""
        return None, name, second

    def authenticate(self, vault):
        """Returns the token of the request, or refuses it with a challenge."""
        challenge = self.challenge(vault)
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise unauthorized("AKV10000: Request is missing a Bearer or PoP token.", challenge)
        token = self.azure.directory.tokens.get(text)
        if token is None:
            raise unauthorized("AKV10001: The token's signature could not be validated.", f'{challenge}, error="invalid_token"')
        if token.expires <= time.time():
            raise unauthorized("AKV10023: The token is expired.", f'{challenge}, error="invalid_token"')
        if token.audience.rstrip("/") != vault.resource:
            raise unauthorized(f"AKV10022: Invalid audience. Expected {vault.resource}, found: {token.audience}.", challenge)
        if token.tenant != vault.tenant:
            raise unauthorized(f"AKV10032: Invalid issuer. Expected https://sts.windows.net/{vault.tenant}/.", challenge)
        revoked = self.azure.directory.revocations.get(token.client_id, 0)
        if token.claims_time < revoked:
            if not token.understands_claims:
                raise unauthorized("AKV10090: The token was revoked.", challenge)
            claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": str(revoked)}}})
            raise unauthorized(
                "Continuous access evaluation resulted in challenge.",
                f'Bearer realm="", authorization_uri="{self.azure.authority("common")}/oauth2/authorize", '
                f'error="insufficient_claims", claims="{encoded(claims.encode())}"',
            )
        return token

    def challenge(self, vault):
        return f'Bearer authorization="{self.azure.authority(vault.tenant)}", resource="{vault.resource}"'

    def check_version(self):
        version = self.query.get("api-version")
        if not version:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise Refused(400, "MissingApiVersionParameter", message)
        if version not in API_VERSIONS:
            raise bad_parameter(f"The specified version ({version}) is not recognized. Consider using the latest supported version (7.6).")

    def json_body(self):
        if self.command not in ("POST", "PATCH") or not self.body:
            return {}
        try:
            body = json.loads(self.body)
        except ValueError:
            raise bad_parameter("Request body is not valid JSON.") from None
        if not self.headers.get("Content-Type", "").startswith("application/json") or not isinstance(body, dict):
            raise Refused(415, "UnsupportedMediaType", "Requests need the content type application/json.")
        return body

    def handle_login(self, path):
        parts = path.strip("/").split("/")
        tenant, rest = parts[0], "/".join(parts[1:])
        form, self.last_status = {}, None
        operation = "token" if rest == "oauth2/v2.0/token" and self.command == "POST" else "discovery"
        try:
            if self.injected(operation, login_fault):
                return
            if operation == "token":
                form = dict(parse_qsl(self.body.decode(), keep_blank_values=True))
                self.answer(200, self.azure.directory.token_response(tenant, f"{self.azure.authority(tenant)}/oauth2/v2.0/token", form))
            elif rest == "v2.0/.well-known/openid-configuration":
                self.answer(200, self.openid_configuration(tenant))
            elif path == "/common/discovery/instance":
                host = self.headers["Host"]
                metadata = [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}]
                endpoint = f"{self.azure.authority('common')}/v2.0/.well-known/openid-configuration"
                self.answer(200, {"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": metadata})
            else:
                self.answer(404, {"error": "not_found"})
        except TokenRefused as refused:
            self.answer(refused.status, refused.body)
        finally:
            self.azure.record(
                service="login",
                operation=operation,
                tenant=tenant,
                status=self.last_status,
                client_id=form.get("client_id"),
                scope=form.get("scope"),
                claims=form.get("claims"),
            )

    def openid_configuration(self, tenant):
        authority = self.azure.authority(tenant)
        return {
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "tenant_region_scope": "EU",
        }


class MetadataHandler(Handler):
    """The instance metadata service, and /control."""

    def handle_path(self, path):
        if path == "/control" and self.command == "POST":
            command = json.loads(self.body)
            try:
                with self.azure.lock:
                    result = getattr(self.azure.control, command.pop("do"))(**command)
                self.answer(200, result or {})
            except (Refused, AttributeError, TypeError, ValueError, KeyError, StopIteration) as error:
                self.answer(400, {"error": f"{type(error).__name__}: {error}"})
            return
        self.last_status = None
        try:
            if path != "/metadata/identity/oauth2/token":
                self.answer(404, {"error": "Not found"})
            elif self.injected("metadata", lambda status: {"error": "server_error", "error_description": f"fault {status}"}):
                return
            elif self.headers.get("Metadata", "").lower() != "true" or "X-Forwarded-For" in self.headers:
                self.answer(400, {"error": "invalid_request", "error_description": "Required metadata header not specified"})
            elif self.query.get("api-version") != "2018-02-01" or not self.query.get("resource"):
                self.answer(400, {"error": "invalid_request", "error_description": "Required query variable is missing or wrong"})
            else:
                self.answer(*self.azure.directory.managed_identity_response(self.query))
        finally:
            self.azure.record(
                service="metadata", operation="metadata", status=self.last_status, client_id=self.query.get("client_id")
            )


def unauthorized(message, challenge):
    return Refused(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge})


def vault_fault(status):
    code, message = {
        401: ("Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."),
        429: ("Throttled", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"),
    }.get(status, ("InternalError", "The service failed to process the request."))
    return {"error": {"code": code, "message": message}}


def login_fault(status):
    number, message = (90033, "A transient error has occurred. Please try again.") if status >= 429 else (50000, "Fault.")
    return TokenRefused(status, "temporarily_unavailable", number, message).body


def certificates(folder):
    """Writes a CA and the server's certificate, and returns the path of the latter with its key."""
    now = datetime.datetime.now(datetime.timezone.utc)
    names = ["localhost", "*.localhost", "login.localhost", *(f"*.{suffix}" for suffix in SUFFIXES.values())]

    def make(subject, issuer, key, issuer_key, is_ca):
        usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=7))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if not is_ca:
            addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName([*map(x509.DNSName, names), *addresses]), critical=False)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    with open(os.path.join(folder, "ca.pem"), "wb") as file:
        file.write(make("Azure on loopback", "Azure on loopback", ca_key, ca_key, True))
    path = os.path.join(folder, "server.pem")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(make("localhost", "Azure on loopback", key, ca_key, False))
        file.write(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return path


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        # Clients may close a connection at any time.
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


def main():
    folder = sys.argv[2]
    secure = Server(("127.0.0.1", int(sys.argv[1])), SecureHandler)
    metadata = Server(("127.0.0.1", 0), MetadataHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates(folder))
    # The handshake happens in the connection's thread.
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    secure.azure = metadata.azure = Azure(secure.server_port, folder)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    ready = os.path.join(folder, "ready")
    with open(f"{ready}.new", "w") as file:
        json.dump({"port": secure.server_port, "metadata_port": metadata.server_port}, file)
    os.replace(f"{ready}.new", ready)
    secure.serve_forever()


if __name__ == "__main__":
    main()
