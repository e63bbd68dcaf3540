"""The provenance of a release."""

import json
import subprocess
import sys

import pytest

from conftest import ROOT

COMMIT = "1" * 40
VARIABLES = {
    "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "secrets-bridge/secrets-bridge", "GITHUB_REF": "refs/tags/v1.2.3",
    "GITHUB_WORKFLOW_REF": "secrets-bridge/secrets-bridge/.github/workflows/release.yaml@refs/tags/v1.2.3", "GITHUB_SHA": COMMIT,
    "GITHUB_EVENT_NAME": "push", "GITHUB_REPOSITORY_ID": "7", "GITHUB_REPOSITORY_OWNER_ID": "8", "GITHUB_RUN_ID": "9", "GITHUB_RUN_ATTEMPT": "2",
}  # fmt: skip
PINS = {"pins": [{"identity": "swift-log", "location": "https://github.com/apple/swift-log", "state": {"revision": "2" * 40, "version": "1.6.0"}}]}


@pytest.fixture
def resolved(tmp_path):
    path = tmp_path / "Package.resolved"
    path.write_text(json.dumps(PINS))
    return path


def provenance(resolved, variables=None, image=f"docker.io/library/swift@sha256:{'3' * 64}"):
    return subprocess.run([sys.executable, ROOT / "hack/lib/provenance.py", "--base-image", image, "--resolved", resolved],
                          env=VARIABLES if variables is None else variables, capture_output=True, text=True, check=False)  # fmt: skip


def test_names_source_base_image_and_packages_by_digest(resolved):
    definition = json.loads(provenance(resolved).stdout)["buildDefinition"]
    assert definition["buildType"] == "https://actions.github.io/buildtypes/workflow/v1"
    assert definition["externalParameters"]["workflow"] == {
        "ref": "refs/tags/v1.2.3", "repository": "https://github.com/secrets-bridge/secrets-bridge", "path": ".github/workflows/release.yaml"}
    assert definition["resolvedDependencies"] == [
        {"uri": "git+https://github.com/secrets-bridge/secrets-bridge@refs/tags/v1.2.3", "digest": {"gitCommit": COMMIT}},
        {"uri": "docker://docker.io/library/swift", "digest": {"sha256": "3" * 64}},
        {"uri": "git+https://github.com/apple/swift-log@1.6.0", "digest": {"gitCommit": "2" * 40}},
    ]


def test_names_the_event_and_the_repository_by_its_ids(resolved):
    """A repository can be renamed, and another one can take its name."""
    definition = json.loads(provenance(resolved).stdout)["buildDefinition"]
    assert definition["internalParameters"] == {"github": {"event_name": "push", "repository_id": "7", "repository_owner_id": "8"}}


def test_names_a_package_without_a_version_by_its_commit(resolved):
    resolved.write_text(json.dumps({"pins": [{"location": "https://example.org/a", "state": {"branch": "main", "revision": "4" * 40}}]}))
    package = json.loads(provenance(resolved).stdout)["buildDefinition"]["resolvedDependencies"][-1]
    assert package == {"uri": f"git+https://example.org/a@{'4' * 40}", "digest": {"gitCommit": "4" * 40}}


def test_names_builder_and_run(resolved):
    details = json.loads(provenance(resolved).stdout)["runDetails"]
    assert details["builder"]["id"] == "https://github.com/actions/runner/github-hosted"
    assert details["metadata"]["invocationId"] == "https://github.com/secrets-bridge/secrets-bridge/actions/runs/9/attempts/2"


@pytest.mark.parametrize(("variables", "image", "message"), [
    ({}, f"a@sha256:{'3' * 64}", "is not set"),
    ({**VARIABLES, "GITHUB_SHA": ""}, f"a@sha256:{'3' * 64}", "GITHUB_SHA is not set"),
    (None, f"a@sha256:{'3' * 63}", "an image with its digest is expected"),
    (None, "swift:6.3", "an image with its digest is expected"),
    ({**VARIABLES, "GITHUB_WORKFLOW_REF": "x"}, f"a@sha256:{'3' * 64}", "GITHUB_WORKFLOW_REF is not"),
])
def test_refuses_an_incomplete_build(resolved, variables, image, message):
    done = provenance(resolved, variables, image)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and message in done.stderr
