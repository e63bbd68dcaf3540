#!/usr/bin/env python3
"""Checks that builds use locked versions only (docs/adr/0011-locked-builds.md). Prints what is not locked.

    hack/lib/locked.py
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HASH = r"--hash=sha256:[0-9a-f]{64}"


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def requirements(path):
    """Yields each requirement of a pip file; joins continued lines and drops comments."""
    text = re.sub(r"(^|\s)#.*", "", read(path)).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def name_and_version(requirement):
    found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;]+)", requirement)
    return found and (re.sub(r"[-_.]+", "-", found[1]).lower(), found[2])


def swift_packages():
    exact = dict(re.findall(r'\.package\(url: "[^"]*/([^/"]+?)(?:\.git)?", exact: "([0-9.]+)"\)', read("Package.swift")))
    for line in re.findall(r"\.package\(.*", read("Package.swift")):
        if "exact:" not in line:
            yield f"Package.swift: {line.strip()} has no exact version"
    resolved = ROOT / "Package.resolved"
    for pin in json.loads(resolved.read_text())["pins"] if resolved.exists() else []:
        version = pin["state"].get("version")
        if exact.get(pin["identity"]) != version:
            yield f"Package.swift: {pin['identity']} is resolved to {version}: name it there, with that exact version"


def python_packages():
    for path in ("hack/requirements.txt", "hack/downloads.txt"):
        for requirement in requirements(path):
            if not name_and_version(requirement) or not re.search(HASH, requirement):
                yield f"{path}: {requirement.split()[0]} has no exact version or no hash"
    locked = dict(filter(None, map(name_and_version, requirements("hack/requirements.txt"))))
    for requirement in requirements("hack/requirements.in"):
        wanted = name_and_version(requirement)
        if not wanted:
            yield f"hack/requirements.in: {requirement} has no exact version"
        elif locked.get(wanted[0]) != wanted[1]:
            yield f"hack/requirements.txt: {wanted[0]} is {locked.get(wanted[0])} and not {wanted[1]}: run hack/setup lock"


def pip_calls():
    for path in sorted((ROOT / "hack").rglob("*")):
        if not path.is_file() or path.samefile(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
        for line in re.findall(r".*-m pip (?:install|download).*", text):
            # pip-tools writes the lock; the other line is advice for a user.
            if "--require-hashes" not in line and "PIP_TOOLS_VERSION" not in line and "sys.exit" not in line:
                yield f"{path.relative_to(ROOT)}: pip without --require-hashes: {line.strip()}"


def images_and_actions():
    if not re.fullmatch(r"[a-z./-]+:[A-Za-z0-9._-]+(@sha256:[0-9a-f]{64})?\n", read("hack/base-image")):
        yield "hack/base-image: one line, IMAGE:TAG@sha256:DIGEST, is expected"
    if re.search(r"^FROM (?!\$\{BASE_IMAGE\} |scratch$)", read("Dockerfile"), re.MULTILINE) or "*@sha256:*" not in read("Dockerfile"):
        yield "Dockerfile: build from BASE_IMAGE, and refuse one without a digest"
    for path in sorted((ROOT / ".github/workflows").iterdir()):
        text = path.read_text(encoding="utf-8")
        for used in re.findall(r"uses: *(\S+)", text):
            if not re.search(r"@[0-9a-f]{40}$", used):
                yield f"{path.relative_to(ROOT)}: {used} is not a full commit"
        for image in re.findall(r"^ *image: *(\S.*?)(?: #.*)?$", text, re.MULTILINE):
            # The job "base" adds the digest.
            if not re.fullmatch(r"\$\{\{ (needs\.base|steps\.image)\.outputs\.image \}\}", image) and "@sha256:" not in image:
                yield f"{path.relative_to(ROOT)}: image {image} has no digest"


problems = [*swift_packages(), *python_packages(), *pip_calls(), *images_and_actions()]
print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
sys.exit(bool(problems))
