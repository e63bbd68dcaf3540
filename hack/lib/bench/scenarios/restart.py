"""a restart with all objects in sync: CPU, time to ready beside curl's time for both lists, KMS calls, writes"""

import statistics

import lists
from controller import by_verb, writes
from environment import log

ROUNDS = 3


def run(env):
    results = {}
    for size in env.sizes():
        # A run of this scenario alone measures every size; after `sync`, only the largest is left.
        if size >= env.count:
            env.in_sync(size)
            results[str(size)] = measure(env, size)
    return results


def measure(env, size):
    rounds = [one_round(env, size) for _ in range(ROUNDS)]
    last = rounds[-1]
    result = {
        "ready_s": round(statistics.median(one["ready"] for one in rounds), 3),
        "all_reconciled_s": round(statistics.median(one["idle"] for one in rounds), 3),
        "cpu_s": round(statistics.median(one["cpu"] for one in rounds), 3),
        "curl_both_lists_s": round(statistics.median(one["curl"] for one in rounds), 3),
        "kms_calls": last["unwraps"],
        "writes": writes(last["verbs"]),
        "api_requests": last["verbs"],
        "streamed_lists": last["streamed"],
        "apiserver_cpu_s": round(statistics.median(one["apiserver"] for one in rounds), 3),
    }
    log(
        f"restart over {size}: ready after {result['ready_s']} s (curl needs {result['curl_both_lists_s']} s for both lists), all reconciled after "
        f"{result['all_reconciled_s']} s, {result['cpu_s']} s of CPU; {result['writes']} writes, {result['kms_calls']} KMS calls"
    )
    return result


def one_round(env, size):
    curl = lists.curl_both(env)
    with env.phase() as phase:
        controller = env.start()
        ready = controller.until_ready()
        idle = controller.until_idle(size)
    cpu = controller.metric("process_cpu_seconds_total")
    requests = env.api_log.entries()
    unwraps = env.unwraps()
    controller.stop()
    verbs = by_verb(requests)
    # An older server ignores the parameters of a streamed list, and the controller lists in pages after all.
    streamed = sum(f"list {resource}" not in verbs for resource in ("wrappedsecrets", "secrets"))
    return {"ready": ready, "idle": idle, "cpu": cpu, "curl": curl, "unwraps": unwraps, "verbs": verbs, "streamed": streamed,
            "apiserver": phase.cpu["apiserver"] + phase.cpu.get("crdserver", 0.0)}  # fmt: skip
