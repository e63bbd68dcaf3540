"""anonymous memory (smaps_rollup): empty, with all objects in sync, and with 100 KiB a Secret"""

from environment import log

EMPTY, LARGE = "bench-empty", "bench-100k"
LARGE_BYTES = 100 * 1024


def run(env):
    env.in_sync(env.options.objects)
    env.namespace(EMPTY)
    env.namespace(LARGE)
    large = min(1000, env.options.objects)
    env.create(LARGE, env.names(large), lambda name: name.ljust(LARGE_BYTES, "x"))
    results = {
        "empty": measure(env, EMPTY, 0),
        f"{env.count} in sync": measure(env, "bench", env.count),
        f"{large} of 100 KiB, fresh sync": measure(env, LARGE, large),
        f"{large} of 100 KiB, in sync": measure(env, LARGE, large),
    }
    env.clear(LARGE)
    return results


def measure(env, namespace, count):
    controller = env.start(namespaces=[namespace])
    controller.until_ready()
    if count:
        controller.until_synced(count)
        controller.until_idle(count)
    memory = controller.memory()
    controller.stop()
    if count:
        memory["objects"] = count
    log(f"{count} objects of {namespace}: {memory['anonymous_mib']} MiB anonymous, {memory['resident_mib']} MiB resident")
    return memory
