"""Runs the commands of pages, unchanged. Wrappers replace a chart of a registry by the one of this checkout, and add what an old API
server needs to helm and kubectl."""

import os
import re
import shlex

from chart import BINARY, CHART, HELMS, KUBECTL, ROOT, run
from release import flags, settings

WRAPPERS = {
    "helm": """
words=() more=()
for word in "$@"; do
    case $word in oci://* | charts/secrets-bridge) words+=("$CHART") ;; *) words+=("$word") ;; esac
done
case $1 in install | upgrade) eval "more=($MORE)" ;; esac
exec "$HELM" "${words[@]}" ${more[@]+"${more[@]}"}
""",
    # Servers before 1.25 ignore CEL rules, and refuse validation and server-side apply.
    "kubectl": """
words=()
for word in "$@"; do
    if [ "$word" != --server-side ] || [ "$KNOWS_CEL" = yes ]; then words+=("$word"); fi
done
if [ "$1" = apply ]; then words+=(--validate=false); fi
exec "$KUBECTL" "${words[@]}"
""",
    "secrets-bridge": """
exec "$BINARY" "$@"
""",
}


def blocks(page, heading):
    """Returns the shell blocks directly under a heading."""
    text = (ROOT / page).read_text()
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE).group(1)
    return re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


class Shell:
    """Runs blocks in a folder that has the charts and manifests of the checkout, and receives the files that the blocks write."""

    def __init__(self, cluster, folder, major="4", assignments=(), environment=None):
        self.cluster, self.folder = cluster, folder
        programs = folder / "programs"
        programs.mkdir(parents=True)
        for name, text in WRAPPERS.items():
            (programs / name).write_text(f"#!/usr/bin/env bash\nset -euo pipefail{text}")
            (programs / name).chmod(0o755)
        for name in ("charts", "manifests"):
            (folder / name).symlink_to(ROOT / name)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "HELM": HELMS[major], "CHART": str(CHART), "KUBECTL": KUBECTL, "BINARY": BINARY,
            "MORE": shlex.join([*settings(cluster, *assignments), *flags(cluster, major)]),
            "KNOWS_CEL": "no" if cluster.minor < 25 else "yes", **(environment or {})}

    def run(self, block, check=True):
        return run("bash", "-c", f"set -euo pipefail\ncd {shlex.quote(str(self.folder))}\n{block}", kubeconfig=self.cluster.kubeconfig,
                   env=self.environment, check=check)
