"""The configurations that docs/ci.md shows are valid for their systems, and name what this repository has."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from conftest import BINARY, ROOT, run

PAGE = (ROOT / "docs/ci.md").read_text()
BLOCKS = [(text, yaml.safe_load(text)) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)]
CHECKER = pathlib.Path(sys.executable).with_name("check-jsonschema")
VERSION = run(BINARY, "version").stdout.split()[1]


def schema_of(value):
    if not isinstance(value, dict):
        return None
    if "jobs" in value:
        return "github-workflows"
    return "gitlab-ci" if any(isinstance(job, dict) and "script" in job for job in value.values()) else None


def steps(value):
    """Returns the steps of a workflow, or of a part of one."""
    if isinstance(value, list):
        return value
    return [step for job in (value or {}).get("jobs", {}).values() for step in job["steps"]]


WORKFLOWS = [value for _, value in BLOCKS if schema_of(value)]


@pytest.mark.skipif(not CHECKER.exists(), reason="check-jsonschema is not installed")
@pytest.mark.parametrize("value", WORKFLOWS, ids=lambda value: "-".join(map(str, value.get("jobs", value))))
def test_is_valid_by_the_schema_of_its_system(value, tmp_path):
    complete = {"on": "push", **{str(key): item for key, item in value.items() if key is not True}} if "jobs" in value else value
    (tmp_path / "ci.json").write_text(json.dumps(complete))
    done = subprocess.run([CHECKER, "--builtin-schema", f"vendor.{schema_of(value)}", tmp_path / "ci.json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_workflows_of_both_systems_are_shown():
    assert sorted(map(schema_of, WORKFLOWS)) == ["github-workflows", "github-workflows", "gitlab-ci", "gitlab-ci"]


def test_action_is_used_with_inputs_that_it_has():
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    used = [step for _, value in BLOCKS for step in steps(value) if step.get("uses", "").startswith("secrets-bridge/")]
    assert len(used) == 3
    for step in used:
        assert step["uses"] == f"secrets-bridge/secrets-bridge@v{VERSION}"
        assert set(step.get("with", {})) <= set(inputs)


def test_every_input_is_documented_with_its_default():
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    listed = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]*?) *\|", PAGE, re.MULTILINE))
    assert set(listed) == set(inputs)
    for name in ("paths", "review", "no-plaintext", "offline", "verify"):
        assert listed[name] == f"`{inputs[name]['default']}`"


def test_hooks_exist_at_the_version():
    (configuration,) = [value for _, value in BLOCKS if isinstance(value, dict) and "repos" in value]
    (repository,) = configuration["repos"]
    assert repository["rev"] == f"v{VERSION}"
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for hook in repository["hooks"]} <= known


def test_scripts_of_jobs_are_shell():
    for _, value in BLOCKS:
        for step in steps(value):
            run("bash", "-n", input=step.get("run", ""))
        for job in (value or {}).values() if schema_of(value) == "gitlab-ci" else []:
            for line in [*job.get("before_script", []), *job["script"]]:
                run("sh", "-n", input=line)


def test_variables_of_gitlab_name_the_archive_of_the_release():
    (job,) = [value["secrets"] for value in WORKFLOWS if "secrets" in value]
    assert job["variables"]["VERSION"] == VERSION
    assert job["variables"]["RELEASES"].startswith("https://github.com/secrets-bridge/secrets-bridge/releases/download")


@pytest.mark.parametrize("name,issuer", [("github", "token.actions.githubusercontent.com"), ("gitlab", "gitlab.com")])
def test_trust_policies_bind_audience_and_subject_exactly(name, issuer):
    """StringLike would let a wildcard match a branch that anyone may push to; IfExists passes without the claim."""
    (statement,) = json.loads((ROOT / f"manifests/aws/trust-{name}.json").read_text())["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{issuer}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert set(statement["Condition"]) == {"StringEquals"}
    claims = statement["Condition"]["StringEquals"]
    assert set(claims) == {f"{issuer}:aud", f"{issuer}:sub"} and claims[f"{issuer}:aud"] == "sts.amazonaws.com"
    assert "*" not in json.dumps(claims)


def test_first_line_for_editors_names_a_schema():
    (url,) = re.findall(r"yaml-language-server: \$schema=(\S+)", PAGE)
    assert (ROOT / "schemas" / url.rpartition("/schemas/")[2]).exists()
