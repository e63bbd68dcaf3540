"""a restart with streamed lists (KEP-3157), if the API server has them: use --crd-server, or set KUBEBUILDER_ASSETS to 1.32 or later"""

import process_memory
from environment import log

from scenarios import restart


def run(env):
    env.in_sync(env.options.objects)
    before = resident(env)
    result = restart.measure(env, env.count)
    if not result["streamed_lists"]:
        log("SKIPPED: streamed-lists: this API server lists in pages (use --crd-server, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver 1.32 or later)")
        return {"skipped": "the API server has no streamed lists"}
    result["apiserver_growth_mib"] = round(resident(env) - before, 1)
    log(f"{result['streamed_lists']} lists were streamed; the API servers took {result['apiserver_cpu_s']} s of CPU and grew by "
        f"{result['apiserver_growth_mib']} MiB")  # fmt: skip
    return result


def resident(env):
    """Returns the resident memory of the API servers in MiB."""
    return sum(process_memory.resident(pid) for name, pid in env.pids().items() if name in {"apiserver", "crdserver"})
