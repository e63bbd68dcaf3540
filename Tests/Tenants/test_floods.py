"""Many or large objects of one tenant do not affect the others."""

import concurrent.futures
import contextlib
import socket
import threading
import time

from attacks import OWNER, large_objects
from cluster import eventually


def test_many_large_objects(tenant, program, victims):
    """Creates more than 256 MiB of WrappedSecrets, some of them valid, which exceeds the limit of one list page."""
    def flood():
        for number in range(20):
            tenant.apply(f"valid-{number}", {"password": "x" * 800_000})
        large_objects(tenant, count=190)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood)
        while not flooding.done():
            victims.check("while they come")
            concurrent.futures.wait([flooding], timeout=2)
        flooding.result()
    victims.check("with all of them")
    program.stop()
    program.start(ready=False)
    print(f"   ready {program.until_ready(60):.1f} s after a restart")
    victims.check("after the restart")
    victims.check_all()


def test_many_secrets_whose_metadata_is_long(tenant, program, victims):
    """Creates 35 Secrets that the API server lists as more than 256 MiB of metadata."""
    for number in range(35):
        tenant.secret(f"long-{number}", metadata={"ownerReferences": [{**OWNER, "name": "<" * 1_400_000}]})
    victims.check("with all of them")
    program.stop()
    program.start(ready=False)
    print(f"   ready {program.until_ready(60):.1f} s after a restart")
    victims.check("after the restart")


def test_requests_for_missing_merge_targets_back_off(cluster, tenant, program, victims):
    """Creates 300 WrappedSecrets of 30 Secrets that do not exist."""
    def create(number):
        tenant.apply(f"merge-{number}", secret=f"missing-{number % 30}", creationPolicy="Merge")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(300)))
    victims.check("while they wait")
    time.sleep(25)
    _, mark = cluster.requests()
    time.sleep(20)
    requests, _ = cluster.requests(mark)
    about = [one for one in requests if one.get("objectRef", {}).get("namespace") == tenant.namespace]
    print(f"   {len(about)} requests in 20 s, 25 s after they were created")
    assert len(about) <= 90, f"{len(about)} requests in 20 s about 30 Secrets that do not exist"
    tenant.secret("missing-0", metadata={"labels": None, "annotations": {"secrets-bridge.io/allow": "merge"}})
    tenant.annotate(tenant.object("merge-0"), {"secrets-bridge.io/sync": "now"})
    read = lambda: tenant.api.call("GET", tenant.secret_path("missing-0"))[1]  # noqa: E731
    eventually("a target that exists is filled", lambda: "password" in read().get("data", {}), 10)


@contextlib.contextmanager
def half_open(port, count):
    """Opens connections that never finish a request; three threads reopen dropped ones."""
    stopped, heads = threading.Event(), [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "]

    def hold(number):
        mine = []
        try:
            while not stopped.is_set():
                if len(mine) < count // 3:
                    connection = socket.create_connection(("127.0.0.1", port), timeout=1)
                    connection.sendall(heads[number])
                    connection.setblocking(False)
                    mine.append(connection)
                    continue
                for connection in list(mine):
                    with contextlib.suppress(BlockingIOError):
                        try:
                            dropped = connection.recv(100) == b""
                        except ConnectionError:
                            dropped = True
                        if dropped:
                            connection.close()
                            mine.remove(connection)
                stopped.wait(0.05)
        except OSError:
            pass  # the server accepts no more connections; the probe below decides
        while not stopped.wait(0.05):
            pass
        for connection in mine:
            connection.close()

    threads = [threading.Thread(target=hold, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join(10)


def test_half_open_connections_do_not_starve_the_probes(program, tenant, victims):
    with half_open(program.port, 1000):
        time.sleep(1.5)
        for _ in range(8):
            for page in ("/healthz", "/readyz", "/metrics"):
                # A new connection can replace that of a probe; the kubelet acts after three failures.
                found = [program.get(page, timeout=1)[0] for _ in range(2)]
                assert 200 in found, f"{page} has no response within 1 s, twice"
            time.sleep(0.4)
        victims.check("with 1,000 connections")
    assert program.get("/healthz")[0] == 200
