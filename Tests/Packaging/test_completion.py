"""Tests completions with the shells and with kubectl."""

import json
import os
import re
import shutil
import subprocess

import pytest

from conftest import run

KUBECONFIG = """
apiVersion: v1
kind: Config
contexts: [{name: dev, context: {cluster: c}}, {name: prod, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
"""


@pytest.fixture
def place(tmp_path, prefix, monkeypatch):
    """Creates a folder whose names are completed."""
    monkeypatch.setenv("PATH", f"{prefix}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "db.yaml").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "clusters").mkdir()
    return tmp_path


BASH = r"""
. "$1"
shift
complete -p secrets-bridge >/dev/null || exit 1
COMP_WORDS=(secrets-bridge "$@") COMP_CWORD=$# COMP_LINE="secrets-bridge $*" COMP_POINT=${#COMP_LINE}
compopt() { :; }
_secrets-bridge secrets-bridge "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def bash(prefix, *words):
    script = prefix / "share/bash-completion/completions/secrets-bridge"
    return run("bash", "-c", BASH, "bash", script, *words).stdout.split()


def fish(prefix, *words):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    script = prefix / "share/fish/vendor_completions.d/secrets-bridge.fish"
    line = " ".join(["secrets-bridge", *words])
    return [out.split("\t")[0] for out in run("fish", "-c", f"source {script}; complete -C '{line}'").stdout.splitlines()]


CASES = [
    (["rew"], {"rewrap"}),
    (["wrap", "--scope", ""], {"strict", "namespace", "cluster"}),
    (["status", "-o", ""], {"table", "wide", "json", "yaml"}),
    (["verify", "-o", ""], {"text", "json", "yaml", "sarif", "junit"}),
    (["diff", "-o", ""], {"text", "markdown", "json", "yaml"}),
    (["status", "--key", "v"], {"vault-transit"}),
    (["status", "--context", ""], {"dev", "prod"}),
    (["controller", "--log-level", "w"], {"warn"}),
    (["rewrap", "--check", "--dry"], {"--dry-run"}),
]


@pytest.mark.parametrize("words,expected", CASES)
@pytest.mark.parametrize("shell", [bash, fish])
def test_words(place, prefix, shell, words, expected):
    if shell is fish and "--context" in words:
        pytest.skip("the program learns of the words from fish's command line, which scripts do not have")
    assert set(shell(prefix, *words)) == expected


@pytest.mark.parametrize("shell", [bash, fish])
def test_files(place, prefix, shell):
    for words in (["verify", ""], ["edit", ""], ["wrap", "-f", ""], ["wrap", ""], ["unwrap", ""], ["unwrap", "-w", ""],
                  ["import", "--sealed", ""]):
        assert {name.rstrip("/") for name in shell(prefix, *words) if not name.startswith("-")} == {"db.yaml", "clusters"}
    assert {name.rstrip("/") for name in shell(prefix, "import", "--folder", "")} == {"clusters"}
    for words in (["status", "--kubeconfig", ""], ["import", "--sealing-key", ""]):
        assert {"kubeconfig", "notes.txt"} <= set(shell(prefix, *words))


def test_zsh_reads_its_file(prefix):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    run("zsh", "-fn", prefix / "share/zsh/site-functions/_secrets-bridge")


def plugin(*words):
    return run("kubectl_complete-wrappedsecret", *words).stdout


@pytest.mark.parametrize("words,expected", CASES)
def test_kubectl_gets_the_same_words(place, words, expected):
    *lines, directive = plugin(*words).splitlines()
    assert {line.split("\t")[0] for line in lines} == expected
    assert directive == ":4"


def test_kubectl_completes_files(place):
    assert plugin("verify", "") == "yaml\nyml\njson\n:8\n"
    assert plugin("import", "--sealed", "") == "yaml\nyml\njson\n:8\n"
    for words in (["status", "--kubeconfig", ""], ["import", "--sealing-key", ""]):
        assert plugin(*words) == ":0\n"
    assert plugin("import", "--folder", "") == ":16\n"


def test_kubectl_forwards_completions(place):
    kubectl = os.environ.get("SB_TEST_KUBECTL") or shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is not installed")
    version = json.loads(run(kubectl, "version", "--client", "-o", "json").stdout)["clientVersion"]["gitVersion"]
    if int(re.match(r"v1\.(\d+)", version)[1]) < 26:
        pytest.skip("kubectl completes plugins from 1.26 on")
    answer = run(kubectl, "__complete", "wrappedsecret", "status", "--context", "").stdout
    assert answer.splitlines() == ["dev", "prod", ":4"]


def test_plugin_uses_the_typed_name_in_messages(place):
    help_text = run("kubectl-wrappedsecret", "status", "--help").stdout
    assert "USAGE: kubectl wrappedsecret status" in help_text
    wrong = subprocess.run(["kubectl-wrappedsecret", "status", "--nope"], capture_output=True, text=True)
    assert wrong.returncode == 64 and "kubectl wrappedsecret status" in wrong.stderr
    assert "USAGE: secrets-bridge status" in run("secrets-bridge", "status", "--help").stdout


@pytest.mark.parametrize("options", [["--generate-completion-script", shell] for shell in ("bash", "zsh", "fish")]
                         + [["--generate-completion-script=bash"], ["--experimental-dump-help"]])
def test_what_is_generated_has_a_name_of_one_word(place, options):
    by_plugin = run("kubectl-wrappedsecret", *options).stdout
    assert by_plugin == run("secrets-bridge", *options).stdout
    if "bash" in options:
        run("bash", "-n", input=by_plugin)
