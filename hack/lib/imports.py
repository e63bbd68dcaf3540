#!/usr/bin/env python3
"""Checks that each module imports only its dependencies in Package.swift, and system modules that it may use.

    swift package dump-package | imports.py

SwiftPM does not report a missing dependency if another target has built the module before.
"""

import json
import pathlib
import re
import sys

SYSTEM = {"FoundationEssentials", "Glibc", "Musl", "Synchronization", "Dispatch"}
# Envelope does no I/O.
RESTRICTED = {"Envelope": {"FoundationEssentials"}}
IMPORT = re.compile(r"^ *(?:@\w+ +)*(?:(?:public|package|internal|fileprivate|private) +)?import +(?:(?:struct|class|enum|protocol|func|let|var) +)?(\w+)")


def dependencies(target):
    return {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}


problems = []
for target in json.load(sys.stdin)["targets"]:
    if target["type"] not in {"regular", "executable"}:
        continue
    folder = pathlib.Path("Sources") / target["name"]
    allowed = dependencies(target) | RESTRICTED.get(target["name"], SYSTEM)
    for file in sorted(folder.rglob("*.swift")):
        for number, line in enumerate(file.read_text().split("\n"), 1):
            if (found := IMPORT.match(line)) and found[1] not in allowed:
                problems.append(f"{file}:{number}: {target['name']} may not import {found[1]} (see Package.swift and docs/architecture.md)")
print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
sys.exit(bool(problems))
