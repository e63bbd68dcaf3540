"""The program refuses a server that speaks no TLS 1.2 or later."""

import datetime
import http.server
import ipaddress
import json
import os
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import BINARY, run


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with a key and its own certificate for 127.0.0.1, which the program trusts."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Vault(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.count += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"errors": ["permission denied"]}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize("version,requests", [(ssl.TLSVersion.TLSv1_1, 0), (ssl.TLSVersion.TLSv1_2, 1)], ids=["1.1", "1.2"])
def test_a_server_without_tls_1_2_gets_no_request(certificate, tmp_path, version, requests):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # OpenSSL allows TLS 1.1 at this level alone.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    server.count = 0
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The system's configuration may set a minimum, too; this one leaves it to the program.
    openssl = tmp_path / "openssl.cnf"
    openssl.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPENSSL_CONF": str(openssl), "SB_KMS_BACKEND": "vault-transit",
        "SB_KMS_VAULT_ADDR": f"https://127.0.0.1:{server.server_port}", "SB_KMS_VAULT_CACERT": str(certificate), "SB_KMS_VAULT_KEY": "k",
        "SB_KMS_VAULT_TOKEN": "t"}
    try:
        done = run(BINARY, "wrap", "-n", "payments", "--name=db", "--from-literal=k=v", env=environment, check=False)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 1 and server.count == requests, done.stderr
    assert ("protocol version" in done.stderr) is (requests == 0), done.stderr
