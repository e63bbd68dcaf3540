"""Generated files: the README of the chart has every value with its default, as a YAML parser reads values.yaml; the generators report
stale files."""

import re
import shutil
import sys

import yaml

from conftest import ROOT, run

CHART = ROOT / "charts/secrets-bridge"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
README = (CHART / "README.md").read_text()
LISTED = {
    path: (default.replace(r"\|", "|"), text)
    for path, default, text in re.findall(r"^\| `([\w.-]+)` \| (?:`(.*?)`)? \| ?(.*) \|$", README, re.MULTILINE)}


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from leaves(child, (*path, name))
    else:
        yield ".".join(path), value


def test_every_value_is_listed_with_its_default():
    found = {path: yaml.safe_load(default) for path, (default, _) in LISTED.items() if default}
    assert found == dict(leaves(VALUES))


def test_a_map_with_a_comment_is_listed_without_a_default():
    maps = {path for path, (default, _) in LISTED.items() if not default}
    assert "vault.ca" in maps and maps.isdisjoint(path for path, _ in leaves(VALUES))


def test_comments_are_the_descriptions():
    assert LISTED["vault.key"][1] == "The name of the transit key."
    assert LISTED["aws.keyID"][1] == r"The key: its ARN, its id, alias/\<name>, or an alias's ARN."
    assert "[docs/wrapping.md](https://github.com/secrets-bridge/secrets-bridge/blob/main/docs/wrapping.md)" in LISTED["controller.allowedScopes"][1]


def test_a_stale_readme_is_reported_and_rewritten(tmp_path):
    for folder in ("hack/lib", "charts/secrets-bridge"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    generator, values = tmp_path / "hack/lib/chart_readme.py", tmp_path / "charts/secrets-bridge/values.yaml"
    assert run(sys.executable, generator, "--check").returncode == 0
    values.write_text(values.read_text() + "# A value of a test.\ninvented: 7\n")
    stale = run(sys.executable, generator, "--check", check=False)
    assert stale.returncode == 1 and "run hack/lib/chart_readme.py" in stale.stderr
    run(sys.executable, generator)
    assert run(sys.executable, generator, "--check").returncode == 0
    assert "| `invented` | `7` | A value of a test. |" in (tmp_path / "charts/secrets-bridge/README.md").read_text()


def test_a_stale_schema_is_reported_and_rewritten(tmp_path):
    for folder in ("hack/lib", "schemas", "manifests/crds"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    generator, crd = tmp_path / "hack/lib/json_schemas.py", tmp_path / "manifests/crds/keyproviders.yaml"
    assert run(sys.executable, generator, "--check").returncode == 0
    crd.write_text(crd.read_text().replace("A key for the WrappedSecrets of one namespace.", "Another text."))
    stale = run(sys.executable, generator, "--check", check=False)
    assert stale.returncode == 1 and "schemas/keyprovider_v1alpha1.json" in stale.stderr
    run(sys.executable, generator)
    assert run(sys.executable, generator, "--check").returncode == 0
    crd.write_text(crd.read_text().replace("maxLength:", "maxSize:", 1))
    assert "the keyword maxSize" in run(sys.executable, generator, check=False).stderr
