"""The health of a WrappedSecret in Argo CD and Flux: Argo CD's health check runs in Lua 5.1; the kstatus rules are from its
documentation. The objects were recorded, one for each reason."""

import json
import re
import subprocess

import pytest
import yaml

from chart import ROOT

CHECK = yaml.safe_load((ROOT / "manifests/argocd/health.yaml").read_text())["data"]
RECORDED = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "Tests/Chart/recorded").glob("*.json"))}
REASONS = re.search(r"enum Reason.*?\{(.*?)^    package var isTerminal", (ROOT / "Sources/Resources/Reason.swift").read_text(), re.DOTALL | re.MULTILINE).group(1)
# Reasons of the metric, which Ready never has.
QUIET = {"NamespaceTerminating"}


def as_lua(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03d}" for byte in value.encode()) + '"'
    if isinstance(value, list):
        return "{" + ",".join(map(as_lua, value)) + "}"
    return "{" + ",".join(f"[{as_lua(key)}]={as_lua(item)}" for key, item in value.items()) + "}"


def health(found, folder):
    (script,) = CHECK.values()
    (folder / "check.lua").write_text(script)
    (folder / "object.lua").write_text(f"return {as_lua(found)}")
    done = subprocess.run(
        ["lua5.1", ROOT / "Tests/Chart/health.lua", folder / "check.lua", folder / "object.lua"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    status, message = done.stdout.rstrip("\n").split("\n", 1)
    return status, message


def conditions(found):
    return {condition["type"]: condition for condition in found.get("status", {}).get("conditions", [])}


def kstatus(found):
    """sigs.k8s.io/cli-utils, kstatus: the rules for custom kinds."""
    there = conditions(found)
    if found["metadata"]["generation"] != found.get("status", {}).get("observedGeneration", found["metadata"]["generation"]):
        return "InProgress"
    for kind, answer in (("Stalled", "Failed"), ("Reconciling", "InProgress")):
        if there.get(kind, {}).get("status") == "True":
            return answer
    return "Current" if there.get("Ready", {"status": "True"})["status"] == "True" else "InProgress"


def test_every_reason_is_recorded():
    names = set(re.findall(r'case \w+ = "(\w+)"', REASONS)) - QUIET
    assert len(names) > 15 and names == {name for name in RECORDED if name[0].isupper()}
    for name in names:
        assert conditions(RECORDED[name])["Ready"]["reason"] == name


def test_argo_check_is_for_the_kind_wrappedsecret():
    for found in RECORDED.values():
        group = found["apiVersion"].split("/")[0]
        assert set(CHECK) == {f"resource.customizations.health.{group}_{found['kind']}"}


@pytest.mark.parametrize("name", [name for name in RECORDED if name[0].isupper()])
def test_reason(name, tmp_path):
    found = RECORDED[name]
    ready = conditions(found)["Ready"]
    if name == "Synced":
        assert health(found, tmp_path) == ("Healthy", ready["message"]) and kstatus(found) == "Current"
    else:
        assert health(found, tmp_path) == ("Degraded", f"{name}: {ready['message']}")
        # Stalled objects fail at once; Reconciling objects are waited for.
        assert kstatus(found) == ("Failed" if conditions(found).get("Stalled", {}).get("status") == "True" else "InProgress")


@pytest.mark.parametrize("name", ["unseen", "changed"])
def test_old_generation_is_in_progress(name, tmp_path):
    assert health(RECORDED[name], tmp_path) == ("Progressing", "waiting for the Secrets Bridge controller")
    assert kstatus(RECORDED[name]) == "InProgress"


def test_before_any_status(tmp_path):
    found = {key: value for key, value in RECORDED["unseen"].items() if key != "status"}
    assert health(found, tmp_path)[0] == "Progressing"


def test_suspended(tmp_path):
    found = RECORDED["suspended"]
    assert health(found, tmp_path) == ("Suspended", conditions(found)["Suspended"]["message"])
    assert kstatus(found) == "Current"
