"""A TLS server whose connections differ in the version of HTTP, as behind a load balancer with servers of two kinds:

    mixed_versions.py KEY CERTIFICATE HTTP2_PORT PORT_FILE VERSION...

The nth connection that offers HTTP/2 gets the nth VERSION, 1 or 2, and later ones the last. HTTP/2 connections are forwarded to
HTTP2_PORT on loopback. Over HTTP/1.1, the response to every path is its name, and comes after 0.4 s if that begins with "slow".
Writes its port to PORT_FILE.
"""

import os
import socket
import ssl
import sys
import threading
import time

key, certificate, http2_port, port_file, *versions = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.set_alpn_protocols(["http/1.1"])


def offers_http2(client):
    """Reads the first message of the client, without taking it from the socket."""
    while len(hello := client.recv(16384, socket.MSG_PEEK)) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
        time.sleep(0.001)
    return b"\x02h2" in hello


def forward(source, target):
    try:
        while block := source.recv(65536):
            target.sendall(block)
    except OSError:
        pass
    for connection in (source, target):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve_http2(client):
    server = socket.create_connection(("127.0.0.1", int(http2_port)))
    threading.Thread(target=forward, args=(client, server), daemon=True).start()
    forward(server, client)


def serve_http1(client):
    try:
        client = context.wrap_socket(client, server_side=True)
        lines = client.makefile("rb")
        while line := lines.readline():
            while lines.readline().strip():
                pass
            name = line.split()[1].lstrip(b"/")
            if name.startswith(b"slow"):
                time.sleep(0.4)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(name) + name)
    except OSError:
        pass


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
with open(f"{port_file}.new", "w") as file:
    file.write(str(listener.getsockname()[1]))
os.rename(f"{port_file}.new", port_file)
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    is_http2 = False
    if offers_http2(client):
        version = versions[0] if len(versions) == 1 else versions.pop(0)
        is_http2 = version == "2"
    threading.Thread(target=serve_http2 if is_http2 else serve_http1, args=(client,), daemon=True).start()
