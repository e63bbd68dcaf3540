"""Prints the provenance of a release: the predicate of SLSA 1.0 (slsa.dev/spec/v1.0/provenance) of a workflow of GitHub.

    provenance.py --base-image IMAGE@sha256:DIGEST --resolved PACKAGE_RESOLVED

Reads the variables that GitHub sets for each workflow (docs.github.com, "Variables reference"). cosign signs the predicate with the
names of the files or images that it is about.
"""

import argparse
import json
import os
import pathlib
import re
import sys

# The build type whose parameters these are (actions.github.io/buildtypes/workflow/v1).
BUILD_TYPE = "https://actions.github.io/buildtypes/workflow/v1"
BUILDER = "https://github.com/actions/runner/github-hosted"


def variable(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"error: {name} is not set; GitHub sets it in each workflow")
    return value


def workflow():
    """Returns the path and the ref of the workflow, of OWNER/REPOSITORY/PATH@REF."""
    found = re.fullmatch(r"[^/]+/[^/]+/(.+)@(.+)", variable("GITHUB_WORKFLOW_REF"))
    if found is None:
        sys.exit("error: GITHUB_WORKFLOW_REF is not OWNER/REPOSITORY/PATH@REF")
    return found.groups()


def base_image(text):
    found = re.fullmatch(r"(\S+)@sha256:([0-9a-f]{64})", text)
    if found is None:
        sys.exit(f"error: --base-image is {text}; an image with its digest is expected: name@sha256:…")
    return {"uri": f"docker://{found.group(1)}", "digest": {"sha256": found.group(2)}}


def packages(path):
    """Returns the Swift packages that were built, by their commits."""
    return [{"uri": f"git+{pin['location']}@{pin['state'].get('version', pin['state']['revision'])}", "digest": {"gitCommit": pin["state"]["revision"]}}
            for pin in json.loads(path.read_text(encoding="utf-8"))["pins"]]  # fmt: skip


def predicate(options):
    repository = f"{variable('GITHUB_SERVER_URL')}/{variable('GITHUB_REPOSITORY')}"
    path, ref = workflow()
    source = {"uri": f"git+{repository}@{variable('GITHUB_REF')}", "digest": {"gitCommit": variable("GITHUB_SHA")}}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"workflow": {"ref": ref, "repository": repository, "path": path}},
            "internalParameters": {"github": {name: variable(f"GITHUB_{name.upper()}") for name in ("event_name", "repository_id", "repository_owner_id")}},
            "resolvedDependencies": [source, base_image(options.base_image), *packages(options.resolved)],
        },
        "runDetails": {
            "builder": {"id": BUILDER},
            "metadata": {"invocationId": f"{repository}/actions/runs/{variable('GITHUB_RUN_ID')}/attempts/{variable('GITHUB_RUN_ATTEMPT')}"},
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-image", required=True)
    parser.add_argument("--resolved", type=pathlib.Path, required=True)
    print(json.dumps(predicate(parser.parse_args()), indent=2))
