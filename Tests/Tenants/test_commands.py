"""The command line lists a cluster with hostile objects."""

import json
import re

import attacks
from cluster import BINARY, run
from conftest import SETTINGS

# Terminal control characters: C0 except line feed and tab, C1, and bidirectional controls.
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def command(cluster, *arguments, codes=(0, 1)):
    done = run(BINARY, *arguments, env={**SETTINGS, "KUBECONFIG": str(cluster.kubeconfig)}, check=False, timeout=60)
    assert done.returncode in codes, f"{arguments}: {done.returncode}\n{done.stderr[-2000:]}"
    assert not DANGEROUS.search(done.stdout + done.stderr), f"{arguments}: control characters are printed"
    return done


def test_commands_over_all_namespaces(cluster, tenant, victims):
    for attack in attacks.ALL:
        attack(tenant)
    names = set(victims.values)

    table = command(cluster, "status", "-A")
    assert all(re.search(rf"^victim +{name} ", table.stdout, re.M) for name in names), table.stdout + table.stderr
    listed = json.dumps(json.loads(command(cluster, "status", "-A", "-o", "json").stdout))
    assert all(f'"{name}"' in listed for name in names)
    assert command(cluster, "status", "-A", "--by-key").stdout
    assert command(cluster, "status", "-n", "victim", codes=(0,)).stdout

    checked = command(cluster, "rewrap", "-A", "--check")
    # The victim's objects need no rewrap, and none of them failed.
    assert "victim" not in checked.stdout + checked.stderr
    command(cluster, "rewrap", "-n", "victim", "--check", codes=(0,))
    command(cluster, "doctor")
