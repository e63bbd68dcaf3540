"""For hack/guard: counts instructions, allocations, requests and KMS calls of fixed work, and compares them with bounds.

    guard.py FOLDER [--record]

Each work runs twice, with n and with 4n items; a third of the difference is the cost of n items, without the start of the
process. The start differs by a few million instructions from run to run, which a larger difference makes smaller.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOUNDS = ROOT / "hack/guard.json"
TOLERANCE = 1.02
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
# Fixed seeds, and the same code paths of OpenSSL and of the allocator on each machine.
ENVIRONMENT = {
    "PATH": os.environ["PATH"], "SWIFT_DETERMINISTIC_HASHING": "1", "SB_KMS_BACKEND": "local", "SB_ENV": "dev",
    "SB_WRAP_MASTER_KEY": base64.b64encode(bytes(range(32))).decode(), "HOME": "/nonexistent", "TZ": "UTC", "LC_ALL": "C",
}  # fmt: skip


def secrets(count):
    """Returns the manifests of this many Secrets as JSON documents, which YAML includes."""
    one = {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "0123456789abcdef", "user": "app"}}
    return "".join(json.dumps({**one, "metadata": {"name": f"db-{index}", "namespace": "bench"}}) + "\n---\n" for index in range(count))


def parse(folder, _, count):
    return [folder / "GuardWorkloads", "parse", str(count)]


def reconcile(folder, _, count):
    return [folder / "GuardWorkloads", "reconcile", str(count)]


def start(folder, _, count):
    return [folder / "GuardWorkloads", "start", str(count)]


def wrap(folder, work, count):
    manifest = work / f"secrets-{count}.yaml"
    manifest.write_text(secrets(count))
    return [folder / "secrets-bridge", "wrap", "-n", "bench", manifest, "-w", work / "wrapped.yaml"]


# The number of items, and what they are called in the names of the counts.
WORKS = {"parse": (parse, 1, "page of 500"), "reconcile": (reconcile, 100, "100 objects"), "start": (start, 500, "500 objects"),
         "wrap": (wrap, 100, "100 Secrets")}  # fmt: skip


def compile_shim(work):
    """Compiles the library that lets libdispatch run under valgrind."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        sys.exit("error: neither cc nor clang is on the PATH; install gcc, or add the folder of the Swift toolchain")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", work / "shim.so", ROOT / "hack/lib/guard_sigsuspend.c", "-ldl"], check=True)


def profile(lines):
    """Returns the instructions and the calls of allocators in the lines of a profile (valgrind manual, "Callgrind Format")."""
    counts = {"instructions": 0, "allocations": 0}
    names, callee = {}, ""
    for line in lines:
        if found := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            if found.group(2):
                # callgrind appends the depth of a recursion, as in malloc'2.
                names[found.group(1)] = found.group(2).split("'")[0]
            if line.startswith("cfn="):
                callee = names.get(found.group(1), "")
        elif line.startswith("calls=") and callee in ALLOCATORS:
            counts["allocations"] += int(line[6:].split()[0])
        elif line.startswith(("summary:", "totals:")):
            counts["instructions"] = int(line.split()[1])
    return counts


def exceeded(measured, bounds):
    """Returns the names of the counts that are more than 2 % above their bound."""
    return [name for name, count in measured.items() if name in bounds and count > bounds[name]["bound"] * TOLERANCE]


def callgrind(command, work):
    """Runs the command; returns its counts."""
    file = work / "callgrind.out"
    file.unlink(missing_ok=True)
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}", "--error-exitcode=0", *command],
        cwd=work, env={**ENVIRONMENT, "LD_PRELOAD": str(work / "shim.so")}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} failed under valgrind: {done.stderr[-2000:]}")
    with file.open() as lines:
        counts = profile(lines)
    if done.stdout.startswith("{"):
        counts.update(json.loads(done.stdout))
    return counts


def measure(folder):
    """Returns the counts by name."""
    measured = {}
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        compile_shim(work)
        for what, (command, count, items) in WORKS.items():
            few, many = (callgrind(command(folder, work, count * factor), work) for factor in (1, 4))
            for kind in few:
                measured[f"{what} {items}: {kind}"] = round((many[kind] - few[kind]) / 3)
    return measured


def main(folder, record):
    # On one processor, threads take turns in the same order: the counts of two runs differ by a thousandth, not a hundredth.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    measured = measure(folder)
    bounds = json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}
    above = exceeded(measured, bounds)
    for name, count in measured.items():
        bound = bounds.get(name, {}).get("bound")
        state = "no bound" if bound is None else f"bound {bound:,}"
        if bound:
            state += f", {100 * count / bound - 100:+.2f} %"
        print(f"{name:<44}{count:>16,}   {state}{'   EXCEEDED' if name in above else ''}")
    if record:
        BOUNDS.write_text(json.dumps({name: {"bound": count} for name, count in measured.items()}, indent=2) + "\n")
        print(f"recorded in {BOUNDS.relative_to(ROOT)}")
        return
    missing = [name for name in measured if name not in bounds]
    if missing:
        sys.exit(f"error: hack/guard.json has no bound for {', '.join(missing)}; record them with hack/guard --record")
    if above:
        sys.exit(f"error: {', '.join(above)}: more than 2 % above the bound; make it cheaper, or raise the bound with hack/guard --record and say why")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), "--record" in sys.argv[2:])
