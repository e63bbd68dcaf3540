"""a restart with streamed lists (KEP-3157), if the API server has them: use --crd-server, or set KUBEBUILDER_ASSETS to 1.32 or later"""

from environment import log

from scenarios import restart


def run(env):
    env.in_sync(env.options.objects)
    result = restart.measure(env, env.count)
    if not result["streamed_lists"]:
        log("SKIPPED: streamed-lists: this API server lists in pages (use --crd-server, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver 1.32 or later)")
        return {"skipped": "the API server has no streamed lists"}
    log(f"{result['streamed_lists']} of 2 lists were streamed; the API servers took {result['apiserver_cpu_s']} s of CPU")
    return result
