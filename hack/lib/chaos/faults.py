"""Faults on the way to a server: what can go wrong, and the proxy on loopback that injects it."""

import collections
import dataclasses
import datetime
import ipaddress
import random
import select
import socket
import ssl
import threading
import time

import http1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclasses.dataclass(frozen=True)
class Conditions:
    """How a proxy treats what passes through it, by a name for the report."""

    name: str
    # The proxy terminates TLS and reads requests, and responses some itself. Otherwise it forwards bytes, and HTTP/2 passes through.
    reads_requests: bool = False
    # For each request, the probability that it
    refused: float = 0  # is answered 429, with and without Retry-After
    failed: float = 0  # is answered 500 or 503
    lost_before: float = 0  # never arrives, and the connection breaks
    lost_after: float = 0  # arrives and is served, and the connection breaks before the response
    cut: float = 0  # gets half a response
    # For each connection, the probability per second that it
    breaks: float = 0
    # stalls for three seconds
    stalls: float = 0
    # The longest delay of forwarded bytes, in seconds.
    latency: float = 0


CALM = Conditions("calm")
BAD = [
    Conditions("slow", latency=0.4),
    Conditions("breaking", breaks=0.3),
    Conditions("stalling", stalls=0.2, latency=0.05),
    Conditions("throttling", reads_requests=True, refused=0.5),
    Conditions("failing", reads_requests=True, failed=0.4),
    Conditions("losing", reads_requests=True, lost_before=0.1, lost_after=0.2, cut=0.05),
    Conditions("storm", reads_requests=True, refused=0.1, failed=0.15, lost_before=0.05, lost_after=0.1, cut=0.05, latency=0.1, breaks=0.05),
    Conditions("outage", reads_requests=True, failed=1),
]

KUBERNETES = {
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
}
VAULT = {429: "request path: rate limit quota exceeded", 500: "internal error", 503: "Vault is sealed"}


def kubernetes_error(status):
    reason, message = KUBERNETES[status]
    return (
        f'{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}",'
        f'"reason":"{reason}","code":{status}}}'
    )


def vault_error(status):
    return f'{{"errors":["{VAULT[status]}"]}}'


class Proxy:
    """A proxy before an HTTPS server. Its conditions may change at any time."""

    def __init__(self, target, authorities, certificate, error_body, seed):
        """`error_body` returns the body of a response that the proxy itself sends, for a status code."""
        self.target = target
        self.error_body = error_body
        self.random = random.Random(seed)
        self.conditions = CALM
        self.faults = collections.Counter()
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(certificate)
        self.server_context.set_alpn_protocols(["http/1.1"])
        self.client_context = ssl.create_default_context(cafile=authorities)
        self.client_context.set_alpn_protocols(["http/1.1"])
        self.connections = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def change(self, conditions):
        """Applies other conditions. Open connections end when the proxy begins or ceases to read requests."""
        reads = self.conditions.reads_requests
        self.conditions = conditions
        if reads != conditions.reads_requests:
            self.break_all()

    def break_all(self):
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            end(connection)

    def happens(self, probability, what):
        with self.lock:
            hit = self.random.random() < probability
            if hit:
                self.faults[what] += 1
        return hit

    def delay(self):
        if self.conditions.latency:
            with self.lock:
                pause = self.random.random() * self.conditions.latency
            time.sleep(pause)

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = None
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.create_connection(self.target, timeout=5)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.settimeout(None)
            with self.lock:
                self.connections |= {client, server}
            if self.conditions.reads_requests:
                self.read_requests(client, server)
            else:
                self.pass_bytes(client, server)
        except (OSError, http1.Broken, ValueError, IndexError):
            pass
        finally:
            for connection in (client, server):
                if connection is not None:
                    end(connection)
                    connection.close()
            with self.lock:
                self.connections -= {client, server}

    def pass_bytes(self, client, server):
        """Forwards encrypted bytes in both directions."""
        ways = {client: server, server: client}
        checked = time.monotonic()
        while True:
            readable, _, _ = select.select(list(ways), [], [], 1)
            now = time.monotonic()
            elapsed, checked = now - checked, now
            if self.happens(self.conditions.breaks * elapsed, "connection broken"):
                return
            if self.happens(self.conditions.stalls * elapsed, "connection stalled"):
                time.sleep(3)
            for connection in readable:
                block = connection.recv(65536)
                if not block:
                    return
                self.delay()
                ways[connection].sendall(block)

    def read_requests(self, raw_client, raw_server):
        client = self.server_context.wrap_socket(raw_client, server_side=True)
        server = self.client_context.wrap_socket(raw_server, server_hostname="127.0.0.1")
        with self.lock:
            self.connections |= {client, server}
        try:
            requests, responses = http1.Reader(client), http1.Reader(server)
            while self.exchange(client, server, requests, responses):
                pass
        finally:
            client.close()
            server.close()
            with self.lock:
                self.connections -= {client, server}

    def exchange(self, client, server, requests, responses):
        """Forwards one request and its response; returns False when the connection has to end."""
        head_text = requests.until(b"\r\n\r\n")
        head = http1.Head(head_text)
        body = b"".join(http1.pieces(requests, head))
        conditions = self.conditions
        self.delay()
        if self.happens(conditions.refused, "429"):
            self.refuse(client, 429)
            return True
        if self.happens(conditions.failed, "5xx"):
            self.refuse(client, self.random.choice([500, 503]))
            return True
        if self.happens(conditions.lost_before, "request lost"):
            return False
        server.sendall(head_text + body)
        is_lost = self.happens(conditions.lost_after, "response lost")
        is_cut = self.happens(conditions.cut, "response truncated")
        response_text = responses.until(b"\r\n\r\n")
        response = http1.Head(response_text)
        if is_lost:
            return False
        client.sendall(response_text)
        if response.first[1] in {"204", "304"}:
            return True
        for piece in self.watched_pieces(client, server, responses, response):
            if is_cut:
                client.sendall(piece[: len(piece) // 2])
                return False
            client.sendall(piece)
        return not (response.closes or head.closes)

    def watched_pieces(self, client, server, responses, response):
        """Yields the pieces of a response. Between the events of a watch, the conditions may break it and its client may close."""
        source = http1.pieces(responses, response)
        while True:
            while response.is_chunked and not responses.kept and not server.pending():
                readable, _, _ = select.select([client, server], [], [], 1)
                if client in readable or self.happens(self.conditions.breaks, "connection broken"):
                    raise http1.Broken
                if server in readable:
                    break
            piece = next(source, None)
            if piece is None:
                return
            yield piece

    def refuse(self, client, status):
        body = self.error_body(status).encode()
        with self.lock:
            has_retry_after = status != 500 and self.random.random() < 0.5
        after = "Retry-After: 1\r\n" if has_retry_after else ""
        client.sendall(
            f"HTTP/1.1 {status} Chaos\r\nContent-Type: application/json\r\n{after}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )


def end(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def make_certificate(path):
    """Writes a private key and its self-signed certificate for loopback to `path`; returns the certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secrets-bridge-chaos-proxy")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + pem)
    path.chmod(0o600)
    return pem.decode()
