"""A proxy on loopback before an HTTPS server. It fails as its weather says, which may change at any time."""

import collections
import random
import select
import socket
import ssl
import threading
import time

import http1
from weather import CALM

KUBERNETES = {
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
}
VAULT = {429: "request path: rate limit quota exceeded", 500: "internal error", 503: "Vault is sealed"}


def kubernetes_answer(status):
    reason, message = KUBERNETES[status]
    return (
        f'{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}",'
        f'"reason":"{reason}","code":{status}}}'
    )


def vault_answer(status):
    return f'{{"errors":["{VAULT[status]}"]}}'


class Proxy:
    def __init__(self, target, authorities, certificate, answer, seed):
        """`answer`: makes the body of an answer of the proxy's own from its status."""
        self.target = target
        self.answer = answer
        self.random = random.Random(seed)
        self.weather = CALM
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

    def change(self, weather):
        """From now on. Connections that were made in another kind of weather end."""
        reads = self.weather.reads_requests
        self.weather = weather
        if reads != weather.reads_requests:
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
        if self.weather.latency:
            with self.lock:
                pause = self.random.random() * self.weather.latency
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
            if self.weather.reads_requests:
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
        """What TLS hides is passed on as it is."""
        ways = {client: server, server: client}
        checked = time.monotonic()
        while True:
            readable, _, _ = select.select(list(ways), [], [], 1)
            now = time.monotonic()
            elapsed, checked = now - checked, now
            if self.happens(self.weather.breaks * elapsed, "connection broken"):
                return
            if self.happens(self.weather.stalls * elapsed, "connection stalled"):
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
            requests, answers = http1.Reader(client), http1.Reader(server)
            while self.exchange(client, server, requests, answers):
                pass
        finally:
            client.close()
            server.close()
            with self.lock:
                self.connections -= {client, server}

    def exchange(self, client, server, requests, answers):
        """One request and its answer; false when the connection is to end."""
        head_text = requests.until(b"\r\n\r\n")
        head = http1.Head(head_text)
        body = b"".join(http1.pieces(requests, head))
        weather = self.weather
        self.delay()
        if self.happens(weather.refused, "429"):
            self.refuse(client, 429)
            return True
        if self.happens(weather.failed, "5xx"):
            self.refuse(client, self.random.choice([500, 503]))
            return True
        if self.happens(weather.lost_before, "request lost"):
            return False
        server.sendall(head_text + body)
        is_lost = self.happens(weather.lost_after, "answer lost")
        is_cut = self.happens(weather.cut, "answer cut")
        answer_text = answers.until(b"\r\n\r\n")
        answer = http1.Head(answer_text)
        if is_lost:
            return False
        client.sendall(answer_text)
        if answer.first[1] in {"204", "304"}:
            return True
        for piece in self.watched_pieces(client, server, answers, answer):
            if is_cut:
                client.sendall(piece[: len(piece) // 2])
                return False
            client.sendall(piece)
        return not (answer.closes or head.closes)

    def watched_pieces(self, client, server, answers, answer):
        """A watch may be silent for minutes: until it says something, the weather may break it, and its client leave."""
        source = http1.pieces(answers, answer)
        while True:
            while answer.is_chunked and not answers.kept and not server.pending():
                readable, _, _ = select.select([client, server], [], [], 1)
                if client in readable or self.happens(self.weather.breaks, "connection broken"):
                    raise http1.Broken
                if server in readable:
                    break
            piece = next(source, None)
            if piece is None:
                return
            yield piece

    def refuse(self, client, status):
        body = self.answer(status).encode()
        with self.lock:
            says_when = status != 500 and self.random.random() < 0.5
        after = "Retry-After: 1\r\n" if says_when else ""
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
