"""The tables and plots of each scenario's result: a function from the result to a head and lines, and one to SVG files."""

import svg

PROCESSES = {"controller": "controller", "apiserver": "API server", "etcd": "etcd", "openbao": "OpenBao", "generator": "generator",
             "crdserver": "API server of custom resources"}  # fmt: skip


def per_object(cpu):
    return {PROCESSES.get(name, name): value for name, value in cpu.items()}


def startup(result):
    return ("", "median"), [
        ("process start to the first request to the API server", f"{result['first_request_ms']} ms"),
        ("process start to ready, without objects", f"{result['ready_ms']} ms"),
        ("CPU until then", f"{result['cpu_ms']} ms"),
        ("size of the program", f"{result['binary_mib']} MiB"),
    ]


def sync(result):
    head = ("KMS", "objects", "objects/s", "plain writes/s", "CPU per object: controller", "API server (plain)", "etcd (plain)", "OpenBao",
            "Vault requests per 50")  # fmt: skip
    lines = []
    for kms, size, one in [(kms, size, one) for kms, sizes in result.items() for size, one in sizes.items()]:
        ours, plain = one["cpu_ms"], one["reference"]["cpu_ms"]
        lines.append((kms, size, one["rate"], round(one["reference"]["rate"], 1), f"{ours['controller']:.2f} ms",
                      f"{ours['apiserver']:.2f} ms ({plain['apiserver']:.2f})", f"{ours['etcd']:.2f} ms ({plain['etcd']:.2f})",
                      f"{ours['openbao']:.2f} ms", one["vault_requests_per_50"]))  # fmt: skip
    return head, lines


def sync_plots(result):
    bars = {}
    for kms, sizes in result.items():
        for size, one in list(sizes.items())[-1:]:
            bars[f"fresh sync of {size}, {kms}"] = per_object(one["cpu_ms"])
            bars[f"the same writes, plain, beside {kms}"] = per_object(one["reference"]["cpu_ms"])
    if not bars:
        return {}
    return {"sync-cpu.svg": svg.bars("CPU time per object of a fresh sync", "ms", bars)}


def restart(result):
    head = ("objects", "ready", "curl, both lists", "all reconciled", "CPU", "KMS calls", "writes")
    return head, [(size, f"{one['ready_s']} s", f"{one['curl_both_lists_s']} s" if "curl_both_lists_s" in one else "not measured",
                   f"{one['all_reconciled_s']} s", f"{one['cpu_s']} s", one["kms_calls"], one["writes"]) for size, one in result.items()]  # fmt: skip


def restart_plots(result):
    bars = {}
    for size, one in result.items():
        bars[f"ready over {size}"] = {"seconds": one["ready_s"]}
        if "curl_both_lists_s" in one:
            bars[f"curl, both lists of {size}"] = {"seconds": one["curl_both_lists_s"]}
        bars[f"CPU until {size} are reconciled"] = {"seconds": one["cpu_s"]}
    return {"restart.svg": svg.bars("A restart with all objects in sync", "s", bars)}


def memory(result):
    return ("objects", "anonymous", "resident"), [(name, f"{one['anonymous_mib']} MiB", f"{one['resident_mib']} MiB") for name, one in result.items()]


def memory_plots(result):
    bars = {name: {"MiB": one["anonymous_mib"]} for name, one in result.items()}
    return {"memory.svg": svg.bars("Anonymous memory of the controller", "MiB", bars)}


def latency(result):
    idle, backlog = result["idle"], result["backlog"]
    lines = [("idle", idle["samples"], *(f"{idle[name]} ms" for name in ("p50_ms", "p95_ms", "p99_ms"))),
             ("one unwrap and one patch by Python clients", idle["samples"], f"{idle['plain_p50_ms']} ms", "", "")]  # fmt: skip
    if backlog["samples"]:
        lines.append((f"backlog of {backlog['objects']} in another namespace", backlog["samples"],
                      *(f"{backlog[name]} ms" for name in ("p50_ms", "p95_ms", "p99_ms"))))  # fmt: skip
    return ("an applied change reaches its Secret", "changes", "p50", "p95", "p99"), lines


def latency_plots(result):
    curves = {name: result[name]["sorted_ms"] for name in ("idle", "backlog") if result[name]["samples"]}
    return {"latency.svg": svg.lines("Time from an applied change to the changed Secret", "ms", curves)}


def idle(result):
    lines = [(PROCESSES[name], f"{value} %", f"{result['without_controller'].get(name, '')}") for name, value in result["percent_of_a_core"].items()]
    return (f"{result['objects']} objects in sync", "percent of a core", "without a controller"), lines


def large(result):
    head = (f"{result['objects']} Secrets of {result['bytes'] // 1024} KiB, limit {result['limit_mib']} MiB ({result['limit']})", "seconds", "anonymous at most")
    return head, [(name, result[key]["seconds"], f"{result[key]['peak_anonymous_mib']} MiB") for name, key in (("fresh sync", "fresh"), ("restart", "restart"))]


def namespaces(result):
    fresh, again = result["fresh"], result["restart"]
    return (f"{result['objects']} objects in {result['namespaces']} namespaces", ""), [
        ("fresh sync", f"{fresh['rate']}/s"),
        *((f"CPU per object: {name}", f"{value:.2f} ms") for name, value in per_object(fresh["cpu_ms"]).items()),
        ("requests to unwrap", fresh["unwrap_requests"]),
        ("anonymous memory", f"{fresh['anonymous_mib']} MiB"),
        ("restart: ready, CPU, KMS calls", f"{again['ready_s']} s, {again['cpu_s']} s, {again['kms_calls']}"),
    ]


def providers(result):
    head = (f"{result['providers']} providers", "seconds", "logins", "unwraps", "CPU per object: controller", "anonymous memory")
    return head, [(name, result[key]["seconds"], result[key]["logins"], result[key]["unwraps"], f"{result[key]['cpu_ms']['controller']:.2f} ms",
                   f"{result[key]['anonymous_mib']} MiB") for name, key in (("fresh sync", "fresh"), ("restart", "restart"))]  # fmt: skip


def streamed_lists(result):
    return (f"{result['streamed_lists']} of 2 lists streamed", ""), [
        ("ready", f"{result['ready_s']} s"),
        ("CPU of the controller", f"{result['cpu_s']} s"),
        ("curl, both lists in pages", f"{result['curl_both_lists_s']} s"),
        ("CPU of the API servers", f"{result['apiserver_cpu_s']} s"),
    ]


TABLES = {"startup": startup, "sync": sync, "restart": restart, "memory": memory, "latency": latency, "idle": idle, "large": large,
          "namespaces": namespaces, "providers": providers, "streamed-lists": streamed_lists}  # fmt: skip
PLOTS = {"sync": sync_plots, "restart": restart_plots, "memory": memory_plots, "latency": latency_plots}
