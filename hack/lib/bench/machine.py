"""Describes the machine and the versions of what ran, so that a figure can be judged."""

import os
import pathlib
import platform
import re
import subprocess
import time


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def executable(pid):
    """Returns the path of a running program, of which a cluster may use another than the PATH."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return "false"


def describe(pids, binary):
    """Returns the machine as a dictionary. `pids` are those of the servers."""
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    memory = int(first(r"^MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())) / 2**20
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": first(r"^model name\s*: (.*)$", cpu),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "system": first(r'^PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text()),
        "load_at_start": round(os.getloadavg()[0], 2),
        "kubernetes": output(executable(pids["apiserver"]), "--version").replace("Kubernetes ", ""),
        "etcd": first(r"etcd Version: (.*)", output(executable(pids["etcd"]), "--version")),
        "openbao": first(r"(v[\d.]+)", output(executable(pids["openbao"]), "version")),
        "secrets_bridge": output(str(binary), "version"),
        "commit": output("git", "describe", "--always", "--dirty"),
    }
