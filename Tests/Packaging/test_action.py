"""The GitHub Action: its scripts run as the runner runs them, with the program under test, a mirror in a folder, and a gh that
records its calls."""

import hashlib
import json
import os
import re
import subprocess
import tarfile

import pytest
import yaml

from conftest import ROOT, run

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
MATCHER = json.loads((ROOT / "hack/action/problem-matcher.json").read_text())["problemMatcher"][0]
VERSION = re.search(r'static let version = "(.*)"', (ROOT / "Sources/SecretsBridge/SecretsBridge.swift").read_text())[1]
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
ARCHIVE = f"secrets-bridge-{VERSION}-linux-{ARCH}.tar.gz"
PLAIN = "/usr/local/bin:/usr/bin:/bin"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData: {password: hunter2}\n"


def step(name, folder, check=True, **environment):
    (folder / "path").touch()
    given = {"PATH": PLAIN, "HOME": str(folder), "RUNNER_TEMP": str(folder), "GITHUB_PATH": str(folder / "path"), **environment}
    return run(ROOT / "hack/action" / name, check=check, cwd=folder, env={key: str(value) for key, value in given.items()})


def program(folder, name, text):
    """Writes a script that stands for a program to a folder of the PATH."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f"#!/usr/bin/env bash\n{text}")
    path.chmod(0o755)
    return f"{folder / 'bin'}:{PLAIN}"


@pytest.fixture
def mirror(prefix, tmp_path):
    """Creates a folder with an archive of a release, whose program prints its version alone: the one under test is large."""
    assert (prefix / "bin/secrets-bridge").exists()
    folder = tmp_path / "mirror"
    program(tmp_path / "mirror", "secrets-bridge", f'echo "secrets-bridge {VERSION}"\n')
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        archive.add(folder / "bin", f"secrets-bridge-{VERSION}/bin")
    digest = hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {ARCHIVE}\n")
    return folder


def test_every_input_reaches_a_script():
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    variables = {name for one in ACTION["runs"]["steps"] for name in one["env"] if name.startswith("SB_")}
    scripts = "".join((ROOT / "hack/action" / name).read_text() for name in ("install", "verify", "review"))
    assert variables == set(re.findall(r"SB_ACTION_\w+", scripts))


def test_install_takes_the_version_of_the_action(mirror, tmp_path):
    done = step("install", tmp_path, SB_ACTION_MIRROR=mirror.as_uri())
    assert done.stdout == f"secrets-bridge {VERSION}, from {mirror.as_uri()}\n"
    (folder,) = (tmp_path / "path").read_text().splitlines()
    assert run(f"{folder}/secrets-bridge", "version").stdout == f"secrets-bridge {VERSION}\n"


def test_install_uses_an_installed_program_of_that_version(prefix, tmp_path):
    done = step("install", tmp_path, PATH=f"{prefix}/bin:{PLAIN}", SB_ACTION_MIRROR="file:///nowhere")
    assert done.stdout == f"secrets-bridge {VERSION} is on the PATH\n"


def test_install_refuses_another_archive(mirror, tmp_path):
    (mirror / ARCHIVE).write_bytes(b"other")
    done = step("install", tmp_path, check=False, SB_ACTION_MIRROR=mirror.as_uri())
    assert done.returncode == 1
    assert "::error title=Secrets Bridge::" in done.stdout and "differs from its line in SHA256SUMS" in done.stdout
    assert (tmp_path / "path").read_text() == ""


@pytest.mark.parametrize("code", [0, 1])
def test_install_verifies_the_signature_if_cosign_is_there(mirror, tmp_path, code):
    (mirror / "SHA256SUMS.sigstore.json").write_text("{}")
    path = program(tmp_path, "cosign", f'printf "%s\\n" "$@" >"{tmp_path}/cosign-arguments"\nexit {code}\n')
    done = step("install", tmp_path, check=False, PATH=path, SB_ACTION_MIRROR=mirror.as_uri())
    assert done.returncode == code
    arguments = (tmp_path / "cosign-arguments").read_text().splitlines()
    assert f"https://github.com/secrets-bridge/secrets-bridge/.github/workflows/release.yaml@refs/tags/v{VERSION}" in arguments
    assert ("has no valid signature" in done.stdout) is bool(code)


@pytest.mark.parametrize("version,message", [("9.9.9", "set the input version to a published release"), ("main", "is not of the form 1.2.3"),
                                             ("1.2.3;id", "is not of the form 1.2.3")])
def test_install_says_what_to_set(mirror, tmp_path, version, message):
    (mirror / "SHA256SUMS").unlink()
    done = step("install", tmp_path, check=False, SB_ACTION_VERSION=version, SB_ACTION_MIRROR=mirror.as_uri())
    assert done.returncode == 1 and message in done.stdout


@pytest.fixture
def checkout(prefix, tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder, f"{prefix}/bin:{PLAIN}"


def test_verify_annotates_problems(checkout):
    folder, path = checkout
    (folder / "db.yaml").write_text(f"# a comment\n---\n{SECRET}")
    done = step("verify", folder, check=False, PATH=path)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"::add-matcher::{ROOT}/hack/action/problem-matcher.json"
    (pattern,) = MATCHER["pattern"]
    (found,) = filter(None, (re.fullmatch(pattern["regexp"], line) for line in done.stderr.splitlines()))
    assert found[pattern["file"]] == "db.yaml" and (found[pattern["line"]], found[pattern["column"]]) == ("3", "1")
    assert "is not encrypted" in found[pattern["message"]]
    assert "hunter2" not in done.stdout + done.stderr


def test_verify_passes(checkout):
    folder, path = checkout
    (folder / "db.yaml").write_text(SECRET)
    assert step("verify", folder, PATH=path, SB_ACTION_NO_PLAINTEXT="false").returncode == 0
    (folder / "db.yaml").unlink()
    assert step("verify", folder, PATH=path).returncode == 0


RECORDS = 'printf "%s\\n" "$@" >"$HOME/arguments"\n'


@pytest.mark.parametrize("environment,arguments", [
    ({}, "--allow-none --offline --no-plaintext -- ."),
    ({"SB_ACTION_OFFLINE": "false", "SB_ACTION_NO_PLAINTEXT": "false"}, "--allow-none -- ."),
    ({"SB_ACTION_PATHS": "  clusters\n\n-o\n"}, "--allow-none --offline --no-plaintext -- clusters -o"),
    ({"SB_ACTION_SARIF": "out.sarif"}, "-o sarif --allow-none --offline --no-plaintext -- ."),
])
def test_verify_passes_inputs_on(tmp_path, environment, arguments):
    path = program(tmp_path, "secrets-bridge", f"{RECORDS}echo the result\nexit 1\n")
    done = step("verify", tmp_path, check=False, PATH=path, **environment)
    assert done.returncode == 1
    assert (tmp_path / "arguments").read_text().split() == ["verify", *arguments.split()]
    if "SB_ACTION_SARIF" in environment:
        assert (tmp_path / "out.sarif").read_text() == "the result\n"


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    return run("git", *identity, *arguments, cwd=folder).stdout.strip()


@pytest.fixture
def merge(tmp_path):
    """Creates a checkout of a pull request: a merge of its head with the base."""
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "base")
    base = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "checkout", "-b", "change")
    git(tmp_path, "commit", "--allow-empty", "-m", "change")
    git(tmp_path, "checkout", "main")
    git(tmp_path, "merge", "--no-ff", "-m", "merge", "change")
    return base


GH = """
printf '%s\\n' "$*" >>"$HOME/gh-calls"
for argument in "$@"; do case $argument in body=@*) cat "${argument#body=@}" >"$HOME/body" ;; esac; done
case $* in
    *--jq*) printf '%s' "$COMMENT"; exit "${READ:-0}" ;;
    *) exit "${WRITE:-0}" ;;
esac
"""


def review(folder, code=1, text="## db\\n+ password", **environment):
    program(folder, "gh", GH)
    path = program(folder, "secrets-bridge", f"{RECORDS}printf '{text}'\nexit {code}\n")
    return step("review", folder, check=False, **{
        "PATH": path, "GITHUB_REPOSITORY": "example/deploy", "GITHUB_STEP_SUMMARY": folder / "summary", "SB_ACTION_PULL_REQUEST": "7", **environment})


def calls(folder):
    return [line for line in (folder / "gh-calls").read_text().splitlines() if "--jq" not in line]


def test_review_compares_with_the_base_and_comments(tmp_path, merge):
    done = review(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "arguments").read_text().split() == ["diff", "--git", f"{merge}..HEAD", "--exit-code", "-o", "markdown"]
    (call,) = calls(tmp_path)
    assert "--method POST repos/example/deploy/issues/7/comments" in call
    assert (tmp_path / "body").read_text() == "<!-- secrets-bridge review -->\n## db\n+ password"
    assert (tmp_path / "summary").read_text() == (tmp_path / "body").read_text()


def test_review_updates_its_comment(tmp_path, merge):
    review(tmp_path, COMMENT="11\n12")
    (call,) = calls(tmp_path)
    assert "--method PATCH repos/example/deploy/issues/comments/11" in call


def test_review_without_changes_writes_no_first_comment(tmp_path, merge):
    review(tmp_path, code=0, text="")
    assert calls(tmp_path) == []
    review(tmp_path, code=0, text="", COMMENT="11")
    assert "No WrappedSecret changes." in (tmp_path / "body").read_text()


def test_review_compares_the_paths(tmp_path, merge):
    review(tmp_path, SB_ACTION_PATHS=" clusters/eu\n.\n\napps\n")
    assert (tmp_path / "arguments").read_text().split()[-3:] == ["--", "clusters/eu", "apps"]


def test_review_outside_of_a_pull_request_writes_the_summary_alone(tmp_path, merge):
    assert review(tmp_path, SB_ACTION_PULL_REQUEST="", SB_ACTION_BASE=merge).returncode == 0
    assert not (tmp_path / "gh-calls").exists() and "+ password" in (tmp_path / "summary").read_text()


@pytest.mark.parametrize("environment", [{"READ": "1"}, {"WRITE": "1"}])
def test_review_passes_when_a_fork_may_not_comment(tmp_path, merge, environment):
    done = review(tmp_path, **environment)
    assert done.returncode == 0 and "::warning title=Secrets Bridge::" in done.stdout
    assert "+ password" in (tmp_path / "summary").read_text()


def test_review_fails_when_diff_fails(tmp_path, merge):
    done = review(tmp_path, code=2)
    assert done.returncode == 1 and "exited with 2" in done.stdout


def test_review_is_cut_at_the_limit_of_comments(tmp_path, merge):
    review(tmp_path, text="ü line\\n" * 12000)
    body = (tmp_path / "body").read_text()
    assert len(body) < 65536 and body.endswith(f"run `secrets-bridge diff --git {merge}..HEAD`.\n")


def test_review_says_how_to_check_out(tmp_path, merge):
    git(tmp_path, "checkout", "change")
    done = review(tmp_path)
    assert done.returncode == 1 and "check out with fetch-depth 2" in done.stdout
    done = review(tmp_path, SB_ACTION_BASE="1" * 40)
    assert done.returncode == 1 and "check out with fetch-depth 0" in done.stdout


def test_no_script_starts_without_bash_strictness():
    for name in ("install", "verify", "review"):
        assert "\nset -euo pipefail\n" in (ROOT / "hack/action" / name).read_text()
    assert subprocess.run(["git", "check-ignore", "hack/action"], cwd=ROOT, check=False, capture_output=True).returncode == 1
