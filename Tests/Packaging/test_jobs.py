"""Runs the commands of docs/jobs.md in order, in a new repository, and counts the steps that the page claims.

A comment below a command states what it does: `# prints TEXT`, `# exits CODE`, `# writes FILE`, `# needs PROGRAM`. Clusters and keys
of other tools are stood in for: a program `kubectl` prints what a cluster would, and Tests/Clients/fake-sops is used if sops is missing.
"""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import warnings

import jsonschema
import pytest
import yaml

from conftest import BINARY, ROOT, run

PAGE = (ROOT / "docs/jobs.md").read_text()
VECTORS = ROOT / "Tests/Vectors"
VALUES = {"password.txt": "canary-password-1", "api-key.txt": "canary-api-key-2", "token.txt": "canary-token-3",
          "app.env": "LOG_LEVEL=debug\nAPI_TOKEN=canary-env-4\n"}
CANARIES = ["canary-password-1", "canary-api-key-2", "canary-token-3", "canary-env-4", "canary-cluster-5", "canary-7f3a"]
# What the user types in the editor, as an expression of sed.
EDITS = {"secrets-bridge create": "s/# user: app/user: app/", "secrets-bridge edit": "s/password:/token:/"}
KUBECTL = """#!/bin/sh
case "$*" in
    "get secret -n kube-system -l sealedsecrets.bitnami.com/sealed-secrets-key -o yaml") exec cat '{values}/sealing-keys.json' ;;
    "get secret -n payments mail -o yaml") exec cat '{values}/cluster-secret.yaml' ;;
esac
echo "this kubectl has no answer for $*" >&2
exit 1
"""
SOPS = """[ "$1 $2" = "-d --output-type" ] && exec cat '{vectors}/decrypted/secrets.yaml'
exit 9
"""
# A Secret as the controller left it.
CLUSTER_SECRET = {
    "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
    "metadata": {
        "name": "mail", "namespace": "payments", "uid": "5d3c2f6e-0d7b-4d5e-9a53-2f8f0c8f9f10", "resourceVersion": "42",
        "creationTimestamp": "2026-11-01T00:00:00Z", "annotations": {"secrets-bridge.io/wrapped-secret": "mail"},
        "ownerReferences": [{"apiVersion": "secrets-bridge.io/v1alpha1", "kind": "WrappedSecret", "name": "mail", "controller": True,
                             "uid": "8f0c8f9f-0d7b-4d5e-9a53-5d3c2f6e1011"}],
        "managedFields": [{"manager": "secrets-bridge", "operation": "Apply", "apiVersion": "v1"}]},
    "data": {"password": base64.b64encode(b"canary-cluster-5").decode()}}


class Step:
    """A command of a block, with what the comments below it expect."""

    def __init__(self, text):
        self.text, self.prints, self.writes, self.status, self.needs = text, [], [], 0, None

    def expect(self, comment):
        word, _, rest = comment.removeprefix("# ").partition(" ")
        if word == "prints":
            self.prints.append(rest)
        elif word == "writes":
            self.writes.append(rest)
        elif word == "exits":
            self.status = int(rest)
        elif word == "needs":
            self.needs = rest
        else:
            raise ValueError(f"{comment}: not an expectation")


def steps(block):
    """Returns the commands of a block: lines, joined after a backslash, and with the here-document that follows."""
    found, lines = [], iter(block.splitlines())
    for line in lines:
        if not line.strip():
            continue
        if line.startswith("#"):
            found[-1].expect(line)
            continue
        text = line
        while text.endswith("\\") and not text.endswith(" \\;"):
            text += "\n" + next(lines)
        document = re.search(r"<<'(\w+)'", text)
        while document and not text.endswith("\n" + document.group(1)):
            text += "\n" + next(lines)
        found.append(Step(text))
    return found


class Block:
    """A block of a section: counted, unless its first line is `# Given` or `# Or`; peers' blocks begin with the peer's name."""

    def __init__(self, language, text):
        self.language, self.title = language, ""
        if text.startswith("# "):
            title, text = text.split("\n", 1)
            self.title = title.removeprefix("# ")
        self.steps = steps(text)

    @property
    def counted(self):
        return not re.match(r"Given$|Or: ", self.title)


class Section:
    """A job: its heading, and its blocks in order."""

    def __init__(self, text):
        self.heading = text.split("\n", 1)[0]
        self.blocks = [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]

    def of(self, language):
        return [block for block in self.blocks if block.language == language]

    def count(self, language):
        return sum(len(block.steps) for block in self.of(language) if block.counted)


SECTIONS = [Section(text) for text in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]]
JOBS = [section for section in SECTIONS if re.match(r"\d", section.heading)]
TABLE = re.findall(r"^\| \[(\d.*?)\]\(#\S+\) \| (\d+) \| (\d+) \| (.+?) \|$", PAGE, re.MULTILINE)


def environment_of(folder):
    """Returns the variables of a new user: an empty home, no settings, and the programs of this test first."""
    kept = {name: value for name, value in os.environ.items() if not re.match(r"SB_|GIT_|KUBECONFIG$|SOPS_", name)}
    programs = [folder / "programs", *([] if shutil.which("sops") else [ROOT / "Tests/Clients/fake-sops"])]
    return kept | {
        "PATH": ":".join([*map(str, programs), os.environ["PATH"]]), "HOME": str(folder / "home"),
        "XDG_CONFIG_HOME": str(folder / "home/.config"), "EDITOR": str(folder / "programs/editor"), "TERM": "dumb", "LC_ALL": "C.UTF-8",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.com",
        "FAKE_SOPS": str(folder / "sops.sh"), "SOPS_AGE_KEY_FILE": str(VECTORS / "sops/age.key")}


def prepare(folder):
    """Writes what a user has before the first job: the program, values, and the files of other tools."""
    for name in ("programs", "home/.config", "values", "repository/clusters", "repository/keys"):
        (folder / name).mkdir(parents=True)
    (folder / "programs/secrets-bridge").symlink_to(BINARY)
    programs = {"editor": '#!/bin/sh\nexec sed -i "$EDIT" "$1"\n', "kubectl": KUBECTL.format(values=folder / "values")}
    for name, text in programs.items():
        (folder / "programs" / name).write_text(text)
        (folder / "programs" / name).chmod(0o755)
    (folder / "sops.sh").write_text(SOPS.format(vectors=VECTORS / "sops"))
    for name, text in VALUES.items():
        (folder / "values" / name).write_text(text)
    sealed = json.loads((VECTORS / "sealed-secrets/sealed.json").read_text())
    (folder / "values/sealing-keys.json").write_text(json.dumps(sealed["kubectl"]["list"]))
    (folder / "values/cluster-secret.yaml").write_text(yaml.safe_dump(CLUSTER_SECRET))
    (folder / "repository/clusters/db.yaml").write_text(yaml.safe_dump(sealed["sealed"]["strict"]))
    shutil.copy(VECTORS / "sops/secrets.yaml", folder / "repository/secrets.enc.yaml")
    recipient = {
        "version": 1, "keyID": "vault-transit:transit/sb-offline", "keyVersion": "1", "algorithm": "RSA-OAEP-256",
        "fingerprint": (VECTORS / "rsa/rsa-3072.fingerprint").read_text().strip(), "publicKey": (VECTORS / "rsa/rsa-3072.pub.pem").read_text()}
    (folder / "repository/keys/production.yaml").write_text(yaml.safe_dump(recipient, sort_keys=False))


class Shell:
    """Runs steps one by one, and keeps the variables that they export until the end of a section."""

    def __init__(self, folder):
        self.folder, self.repository, self.environment = folder, folder / "repository", environment_of(folder)
        self.initial = None

    def run(self, text):
        edit = next((edit for command, edit in EDITS.items() if text.startswith(command)), "q1")
        variables = self.folder / "variables"
        script = f"set -o pipefail\n{text}\ncode=$?\nenv -0 >{shlex.quote(str(variables))}\nexit $code"
        done = subprocess.run(["bash", "-c", script], cwd=self.repository, env=self.environment | {"EDIT": edit}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        self.environment = dict(item.split("=", 1) for item in variables.read_text().split("\0") if item)
        return done


def problems_of(step, done, repository):
    """Returns what differs between a step that was run and its comments."""
    found, printed = [], " ".join((done.stdout + done.stderr).split())
    if done.returncode != step.status:
        found.append(f"exits {done.returncode}")
    found += [f"does not print {text}" for text in step.prints if not re.search(rf"(?<!\w){re.escape(text)}", printed)]
    found += [f"prints the value {text[:9]}…" for text in CANARIES if text in printed]
    found += [f"does not write {name}" for name in step.writes if not (repository / name).is_file()]
    return [f"{step.text}\n{problem}\n{done.stdout}{done.stderr}" for problem in found]


class Outcome:
    """The problems of a job, and its steps that were not run because a program is missing."""

    def __init__(self):
        self.problems, self.skipped = [], []


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    """Runs the whole page, and returns the repository and the outcome of each section."""
    folder = tmp_path_factory.mktemp("jobs")
    prepare(folder)
    shell, outcomes = Shell(folder), {}
    for section in SECTIONS:
        outcome = outcomes[section.heading] = Outcome()
        shell.environment = shell.initial or shell.environment
        if section.heading == "20. Wrap offline":
            shell.environment = environment_of(folder)
        for step in [step for block in section.of("sh") for step in block.steps]:
            if step.needs and not shutil.which(step.needs, path=shell.environment["PATH"]):
                outcome.skipped.append(f"{step.text}: {step.needs} is not installed")
                continue
            outcome.problems += problems_of(step, shell.run(step.text), shell.repository)
        shell.initial = shell.initial or shell.environment
    return shell, outcomes


@pytest.mark.parametrize("section", SECTIONS, ids=[section.heading for section in SECTIONS])
def test_commands_do_what_the_page_says(section, run_page):
    outcome = run_page[1][section.heading]
    assert outcome.problems == []
    if outcome.skipped:
        warnings.warn("; ".join(outcome.skipped), stacklevel=1)  # -q shows no reasons of skipped tests
        pytest.skip("; ".join(outcome.skipped))


def test_no_value_is_left_in_the_repository(run_page):
    """Neither in a file nor in an object of Git, as text or in base64."""
    shell, _ = run_page
    key = "".join((shell.folder / "values/tls.key").read_text().splitlines()[1:3])
    clear = [*CANARIES, key, (shell.folder / "values/tls.key").read_text().splitlines()[1]]
    wanted = {text: {text.encode(), *encoded(text)} for text in clear}
    contents = {str(path): path.read_bytes() for path in shell.repository.rglob("*") if path.is_file() and not path.is_symlink()}
    contents["objects"] = subprocess.run(["git", "cat-file", "--batch", "--batch-all-objects"], cwd=shell.repository, capture_output=True,
                                         check=True).stdout
    assert contents["objects"].count(b"kind: WrappedSecret") > 3, "the test looks at the wrong place"
    found = [(name, text) for name, content in contents.items() for text, forms in wanted.items() if any(form in content for form in forms)]
    assert found == []


def encoded(text):
    """Returns the text in base64 at each of the three offsets that it may have in a longer text."""
    for offset in range(3):
        whole = base64.b64encode(b"x" * offset + text.encode()).decode().rstrip("=")
        yield whole[{0: 0, 1: 2, 2: 3}[offset]:-1].encode()


def test_values_are_those_that_were_given(run_page):
    """The check above would pass if the commands had wrapped nothing."""
    shell, _ = run_page
    for name, entry, value in (("from-sealed/payments/db.yaml", "password", "canary-7f3a"), ("from-sops/payments/api.yaml", "password", "canary-7f3a")):
        assert base64.b64decode(opened(shell, name)["data"][entry]).decode() == value
    assert yaml.safe_load((shell.repository / "payments/mail.yaml").read_text())["metadata"] == {"name": "mail", "namespace": "payments"}


def opened(shell, name):
    """Returns the Secret in a file that the settings of the page's beginning open."""
    initial = {name: value for name, value in shell.initial.items() if name.startswith("SB_")}
    done = run(BINARY, "unwrap", name, "-o", "json", cwd=shell.repository, env=environment_of(shell.folder) | initial)
    return json.loads(done.stdout)


def test_line_for_editors_names_the_schema_that_the_file_keeps(run_page):
    text = (run_page[0].repository / "payments/db.yaml").read_text()
    (url,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)\n", text)
    schema = json.loads((ROOT / "schemas" / url.rpartition("/schemas/")[2]).read_text())
    assert not list(jsonschema.Draft7Validator(schema).iter_errors(yaml.safe_load(text)))


def test_workflow_uses_inputs_that_the_action_has(run_page):
    workflow = yaml.safe_load((run_page[0].repository / ".github/workflows/secrets.yaml").read_text())
    (step,) = [step for step in workflow["jobs"]["secrets"]["steps"] if step["uses"].startswith("secrets-bridge/")]
    version = run(BINARY, "version").stdout.split()[1]
    assert step["uses"].endswith(f"@v{version}")
    assert set(step["with"]) <= set(yaml.safe_load((ROOT / "action.yml").read_text())["inputs"])


def test_page_has_the_twenty_jobs():
    assert [heading for heading, *_ in TABLE] == [section.heading for section in JOBS]
    assert sorted({int(re.match(r"\d+", heading).group()) for heading, *_ in TABLE}) == list(range(1, 21))


@pytest.mark.parametrize("section", JOBS, ids=[section.heading for section in JOBS])
def test_steps_of_the_table_are_the_commands_of_the_blocks(section):
    (entry,) = [entry for entry in TABLE if entry[0] == section.heading]
    _, here, there, peer = entry
    assert int(here) == section.count("sh")
    assert int(there) == section.count("text")
    assert all(block.title and block.title.split(",")[0] in peer for block in section.of("text"))


def test_no_job_takes_more_steps_than_with_the_best_peer():
    assert [heading for heading, here, there, _ in TABLE if int(here) > int(there)] == []


@pytest.mark.parametrize("section", JOBS, ids=[section.heading for section in JOBS])
def test_a_step_is_one_command(section):
    """A list of commands in one line would be counted as one."""
    for block in section.of("sh"):
        for step in block.steps:
            words = list(shlex.shlex(step.text.split("\n")[0], posix=True, punctuation_chars=True))
            assert not {"&&", "||", ";", "&"} & set(words), step.text


def test_vault_takes_as_many_commands_as_the_page_says():
    """Sections 1 to 3 of the quickstart, with the reviewer's token."""
    page = (ROOT / "docs/vault.md").read_text().partition("### 3a.")[0]
    assert sum(len(steps(block)) for block in re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)) == 9
    assert "takes nine commands" in " ".join(PAGE.split())
