"""from an applied change to the changed Secret: idle, and during a backlog of 5,000 objects in another namespace"""

import statistics
import time

import objects
import watching
from environment import NAMESPACE, log

PROBE, BACKLOG = "bench-probe", "bench-backlog"
PROBES = 50


def run(env):
    return {"idle": idle(env), "backlog": backlog(env)}


def quantiles(delays):
    delays = sorted(delays)
    at = lambda share: round(delays[min(int(len(delays) * share), len(delays) - 1)], 2)  # noqa: E731 - a formula
    return {"samples": len(delays), "p50_ms": round(statistics.median(delays), 2), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": delays[-1],
            "sorted_ms": [round(delay, 2) for delay in delays]}  # fmt: skip


def text(found):
    return f"p50 {found['p50_ms']} ms, p95 {found['p95_ms']} ms, p99 {found['p99_ms']} ms ({found['samples']} changes)"


def idle(env):
    """Changes follow each other half a second apart, because the batcher waits for more if they come closely."""
    env.in_sync(env.options.objects)
    controller = env.start()
    controller.until_ready()
    controller.until_idle(env.count)
    count = min(PROBES, env.count)
    names = [f"db-{index * max(1, env.count // count)}" for index in range(count)]
    manifests = changed(env, NAMESPACE, names, "idle")
    watch = watching.SecretWatch(env, NAMESPACE)
    delays = []
    for manifest in manifests:
        delays.append(change(env, watch, manifest, "idle"))
        time.sleep(0.6)
    plain = statistics.median(watching.plain_change(env, manifest) for manifest in manifests)
    watch.close()
    controller.stop()
    result = {**quantiles(delays), "plain_p50_ms": round(plain, 2)}
    log(f"a change, idle over {env.count} objects: {text(result)}; one unwrap and one patch by Python clients: p50 {result['plain_p50_ms']} ms")
    return result


def backlog(env):
    count = min(5000, env.options.objects)
    for namespace in (PROBE, BACKLOG):
        env.namespace(namespace)
    names = env.names(20)
    env.create(PROBE, names)
    controller = env.start(namespaces=[PROBE])
    controller.until_synced(len(names))
    controller.stop()
    env.create(BACKLOG, env.names(count))
    rounds = 1000
    manifests = [{one["metadata"]["name"]: one for one in changed(env, PROBE, names, f"round {index}")} for index in range(rounds // len(names))]
    watch = watching.SecretWatch(env, PROBE)
    controller = env.start(namespaces=[PROBE, BACKLOG])
    controller.until_ready()
    began, delays = time.monotonic(), []
    for index, by_name in enumerate(manifests):
        for name in names:
            if controller.synced() >= count + len(names):
                break
            delays.append(change(env, watch, by_name[name], f"round {index}"))
    elapsed = time.monotonic() - began
    watch.close()
    controller.stop()
    for namespace in (PROBE, BACKLOG):
        env.clear(namespace)
    if not delays:
        log(f"the backlog of {count} objects was gone before the first change: give more --objects")
        return {"objects": count, "samples": 0}
    result = {"objects": count, "seconds": round(elapsed, 2), **quantiles(delays)}
    log(f"a change during a backlog of {count} objects in another namespace: {text(result)}")
    return result


def changed(env, namespace, names, label):
    return list(objects.wrap(env.vault_keys, [(namespace, name) for name in names], lambda name: f"{label} of {name}"))


def change(env, watch, manifest, label):
    """Applies the manifest; returns the milliseconds from the response until the watch shows the new value."""
    name = manifest["metadata"]["name"]
    objects.apply(env.api, [manifest])
    applied = time.monotonic()
    return max(watch.until(name, f"{label} of {name}") - applied, 0) * 1000
