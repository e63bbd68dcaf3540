"""objects spread over 1,000 namespaces: a fresh sync and a restart of a controller of all namespaces"""

import cpu
import objects
from environment import log

LABEL = {"bench.secrets-bridge.io/scenario": "namespaces"}


def run(env):
    count = min(1000, env.options.objects)
    each = max(1, min(env.options.objects, 5000) // count)
    namespaces = [f"bench-ns-{index}" for index in range(count)]
    objects.in_lanes(namespaces, env.namespace)
    places = [(namespace, name) for namespace in namespaces for name in env.names(each)]
    objects.apply(env.api, objects.wrap(env.vault_keys, places, lambda name: f"value of {name}", labels=LABEL))
    result = {"namespaces": count, "objects": len(places), "fresh": fresh(env, len(places)), "restart": restart(env, len(places))}
    log(f"{len(places)} objects in {count} namespaces: {result['fresh']['rate']}/s, CPU per object: {cpu.text(result['fresh']['cpu_ms'])}; "
        f"{result['fresh']['anonymous_mib']} MiB anonymous; restart: ready after {result['restart']['ready_s']} s, {result['restart']['cpu_s']} s of CPU")  # fmt: skip
    objects.in_lanes(namespaces, lambda namespace: env.api.expect({200, 202, 404, 409}, "DELETE", f"/api/v1/namespaces/{namespace}"))
    return result


def start(env):
    selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
    return env.start("--label-selector", selector, namespaces=())


def fresh(env, count):
    controller = start(env)
    ready = controller.until_ready()
    with env.phase(controller) as phase:
        elapsed = controller.until_synced(count) - ready
    result = {"rate": round(count / elapsed, 1), "cpu_ms": phase.per(count), "unwrap_requests": env.unwraps(), **controller.memory()}
    controller.stop()
    return result


def restart(env, count):
    controller = start(env)
    ready = controller.until_ready()
    idle = controller.until_idle(count)
    result = {"ready_s": round(ready, 3), "all_reconciled_s": round(idle, 3), "cpu_s": round(controller.metric("process_cpu_seconds_total"), 3),
              "kms_calls": env.unwraps()}  # fmt: skip
    controller.stop()
    return result
