"""a fresh sync: rate, CPU per object of each process, requests to Vault; against a reference that writes the same"""

import cpu
import load
from controller import by_verb
from environment import log


def run(env):
    # The reference copies what the controller writes.
    env.in_sync(1)
    reference = load.Reference(env, min(2000, env.options.objects))
    return {str(size): measure(env, reference, size) for size in env.sizes() if size > env.count}


def measure(env, reference, size):
    new = env.fill(size)
    before = reference.run()
    controller = env.start()
    ready = controller.until_ready()
    with env.phase(controller) as phase:
        elapsed = controller.until_synced(size) - ready
    unwraps = env.unwraps()
    verbs = by_verb(env.api_log.entries())
    controller.stop()
    env.synced = size
    plain = load.mean(before, reference.run())
    ours = phase.per(new)
    result = {
        "objects": new,
        "rate": round(new / elapsed, 1),
        "cpu_ms": ours,
        "reference": plain,
        "vault_requests_per_50": round(unwraps * 50 / new, 3),
        "api_requests": verbs,
    }
    servers = {name: ours[name] for name in ("apiserver", "etcd")}
    log(f"{new} objects: {result['rate']}/s, CPU per object: {cpu.text(ours)}")
    log(f"   the same writes, plain: {plain['rate']:.0f}/s (ratio {result['rate'] / plain['rate']:.2f}), CPU: {cpu.text(plain['cpu_ms'])}")
    result["server_cpu_ratio"] = round(sum(servers.values()) / max(sum(plain["cpu_ms"][name] for name in servers), 1e-9), 3)
    log(f"   CPU of API server and etcd, ours to plain: {result['server_cpu_ratio']}; requests to Vault for 50 objects: {result['vault_requests_per_50']}")
    return result
