"""Renders the chart and the manifests with the real helm and kubectl."""

import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "charts/secrets-bridge"
VALUES = ROOT / "Tests/Chart/values"
HELMS = {major: os.environ[f"SB_TEST_HELM{major}"] for major in ("3", "4")}
KUBECTL = os.environ["SB_TEST_KUBECTL"]
BINARY = os.environ["SB_TEST_BINARY"]
ENTER = ROOT / "hack/lib/enter_root.py"
NAMESPACE = "secrets-bridge"
CRDS = [f"{plural}.secrets-bridge.io" for plural in ("clusterkeyproviders", "keyproviders", "wrappedsecrets")]

# The overlays that correspond to the chart's values files.
OVERLAYS = {name: name for name in ("vault-transit", "aws-kms", "gcp-kms", "azure-key-vault")} | {"local": "dev"}

# Keeps the user's plugins and cache out.
HOME = tempfile.mkdtemp()
atexit.register(shutil.rmtree, HOME)
# The API server of the tests may be older than kubeVersion allows; test_published.py tests that field.
CHART = pathlib.Path(shutil.copytree(PUBLISHED, pathlib.Path(HOME) / "secrets-bridge"))
(CHART / "Chart.yaml").write_text(re.sub(r"(?m)^kubeVersion: .*\n", "", (PUBLISHED / "Chart.yaml").read_text(encoding="utf-8")), encoding="utf-8")

ENVIRONMENT = {"PATH": os.environ["PATH"], "GOGC": os.environ.get("GOGC", "100"), "HOME": HOME, "HELM_CACHE_HOME": HOME, "HELM_CONFIG_HOME": HOME, "HELM_DATA_HOME": HOME}


def run(*command, kubeconfig=None, given=None, check=True, env=None, timeout=120):
    environment = {**ENVIRONMENT, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}), **(env or {})}
    done = subprocess.run(
        [str(word) for word in command], input=given, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done


def helm(major, *arguments, **more):
    return run(HELMS[major], *arguments, **more)


def values_file(name):
    return VALUES / f"{name}.yaml"


def template(major, *arguments, check=True):
    """Returns the output of helm template, or its error."""
    return helm(major, "template", "secrets-bridge", CHART, "--namespace", NAMESPACE, *arguments, check=check)


def parsed(text):
    # libyaml's loader: the one in Python takes as long for a rendering with the definitions as helm does.
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


@functools.cache
def rendering(major, name, arguments):
    return template(major, "--values", values_file(name), *arguments).stdout


def rendered(name, *arguments, major="4"):
    return parsed(rendering(major, name, arguments))


@functools.cache
def kustomization(folder):
    return run(KUBECTL, "kustomize", ROOT / "manifests" / folder).stdout


def kustomized(folder):
    return parsed(kustomization(str(folder)))


def identity(found):
    metadata = found["metadata"]
    return found["kind"], metadata.get("namespace", ""), metadata["name"]


def by_identity(objects):
    named = {identity(found): found for found in objects}
    assert len(named) == len(objects), "an object is there twice"
    return named


def pod_specs(objects):
    for found in objects:
        if found["kind"] == "Deployment":
            yield found["spec"]["template"]["spec"]
        if found["kind"] == "Pod":
            yield found["spec"]


def program_version():
    source = (ROOT / "Sources/SecretsBridge/SecretsBridge.swift").read_text(encoding="utf-8")
    return re.search(r'static let version = "(.*)"', source).group(1)
