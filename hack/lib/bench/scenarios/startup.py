"""process start to the first request to the API server, and to readiness, without objects"""

import datetime
import statistics

import environment
from environment import log

EMPTY = "bench-empty"
ROUNDS = 5


def run(env):
    env.namespace(EMPTY)
    first, ready, cpu = [], [], []
    for _ in range(ROUNDS):
        controller = env.start(namespaces=[EMPTY])
        ready.append(controller.until_ready() * 1000)
        cpu.append(controller.metric("process_cpu_seconds_total") * 1000)
        received = min(datetime.datetime.fromisoformat(one["requestReceivedTimestamp"]) for one in env.api_log.entries())
        first.append((received - controller.started_at).total_seconds() * 1000)
        controller.stop()
    result = {
        "first_request_ms": round(statistics.median(first), 1),
        "ready_ms": round(statistics.median(ready), 1),
        "cpu_ms": round(statistics.median(cpu), 1),
        "binary_mib": round(environment.size_mib(env.options.binary), 1),
    }
    log(f"first request after {result['first_request_ms']} ms, ready after {result['ready_ms']} ms, {result['cpu_ms']} ms of CPU (median of {ROUNDS})")
    return result
