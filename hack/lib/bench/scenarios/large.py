"""128 Secrets of 1 MiB, synced and listed again under a memory limit of 128 MiB (a cgroup)"""

import sys
import time

import memory_limit
from environment import log

NAMESPACE = "bench-large"
COUNT, SIZE, LIMIT = 128, 2**20, 128 * 2**20


def run(env):
    limit = memory_limit.of(LIMIT)
    if isinstance(limit, memory_limit.Watched):
        limit.remove()
        log("SKIPPED: large: this machine permits no cgroup with a memory limit (run as root, or in a container with a writable cgroup)")
        return {"skipped": "no cgroup with a memory limit"}
    env.namespace(NAMESPACE)
    env.create(NAMESPACE, env.names(COUNT), lambda name: name.ljust(SIZE, "x"))
    try:
        fresh = measure(env, limit, lambda controller: controller.until_synced(COUNT))
        again = measure(env, limit, lambda controller: controller.until_idle(COUNT))
    finally:
        limit.remove()
        env.clear(NAMESPACE)
    result = {"objects": COUNT, "bytes": SIZE, "limit_mib": LIMIT // 2**20, "limit": type(limit).__name__, "fresh": fresh, "restart": again}
    log(f"{COUNT} Secrets of 1 MiB under {LIMIT // 2**20} MiB: synced after {fresh['seconds']} s with {fresh['peak_anonymous_mib']} MiB anonymous at most, "
        f"restarted within {again['seconds']} s with {again['peak_anonymous_mib']} MiB")  # fmt: skip
    return result


def measure(env, limit, until):
    limit.peak = 0
    controller = env.start(namespaces=[NAMESPACE], limit=limit)
    began = time.monotonic()
    try:
        until(controller)
    except SystemExit:
        if limit.was_hit:
            sys.exit(f"error: the kernel ended the controller at its limit, {limit.peak:.0f} MiB of anonymous memory")
        raise
    elapsed = time.monotonic() - began
    peak = limit.peak
    controller.stop()
    return {"seconds": round(elapsed, 1), "peak_anonymous_mib": round(peak, 1)}
