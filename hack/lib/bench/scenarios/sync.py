"""a fresh sync with vault-transit and with local: rate, CPU per object of each process; against a reference that writes the same"""

import cpu
import load
from controller import by_verb
from environment import log

# The objects whose data keys a master key wraps. No other scenario needs them.
LOCAL = "bench-local"


def run(env):
    # The reference copies what the controller writes.
    env.in_sync(1)
    reference = load.Reference(env, min(2000, env.options.objects))
    return {"vault-transit": with_vault(env, reference), "local": with_local(env, reference)}


def with_vault(env, reference):
    results = {}
    for size in env.sizes():
        if size > env.count:
            new = env.fill(size)
            results[str(size)] = measure(env, reference, size, new, env.start)
            env.synced = size
    return results


def with_local(env, reference):
    env.namespace(LOCAL)
    results, created = {}, 0
    for size in env.sizes():
        env.create(LOCAL, env.names(size)[created:], keys=env.local_keys)
        results[str(size)] = measure(env, reference, size, size - created, lambda: env.start(namespaces=[LOCAL], kms="local"))
        created = size
    env.clear(LOCAL)
    return results


def measure(env, reference, size, new, start):
    """Measures a controller from its readiness until all `size` objects are in sync, of which `new` are not yet."""
    before = reference.run()
    controller = start()
    ready = controller.until_ready()
    with env.phase(controller) as phase:
        elapsed = controller.until_synced(size) - ready
    unwraps = env.unwraps()
    verbs = by_verb(env.api_log.entries())
    controller.stop()
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
