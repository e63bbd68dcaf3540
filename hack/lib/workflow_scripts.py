"""Writes each script of GitHub workflows and composite actions to its own file, for shellcheck:
workflow_scripts.py FOLDER WORKFLOW...

Rejects a script with an expression, because its value becomes part of the script before bash reads it."""

import pathlib
import sys

import yaml

folder = pathlib.Path(sys.argv[1])
for workflow in map(pathlib.Path, sys.argv[2:]):
    document = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    jobs = document["jobs"] if "jobs" in document else {"action": document["runs"]}
    for job, what in jobs.items():
        for number, step in enumerate(what["steps"]):
            if "run" not in step:
                continue
            if "${{" in step["run"]:
                sys.exit(f"error: {workflow}: step {number + 1} of {job} has an expression in its script: pass it by env")
            (folder / f"{workflow.stem}-{job}-{number + 1}").write_text(f"set -eo pipefail\n{step['run']}", encoding="utf-8")
