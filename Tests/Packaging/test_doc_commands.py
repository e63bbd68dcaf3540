"""Commands that the pages show leave no empty file when they fail, and pass values of variables on unchanged."""

import base64
import json
import os
import re

from conftest import BINARY, ROOT, run

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "charts").rglob("*.txt")), ROOT / "hack/quickstart"]
REDIRECTED = re.compile(r"secrets-bridge (wrap|unwrap|import)\b[^|]*[^-<0-9]>[^>(&]")


def test_no_page_redirects_the_output_of_wrap():
    found = [f"{page}: {line}" for page in PAGES for line in page.read_text().splitlines() if REDIRECTED.search(line)]
    assert found == []


def test_no_help_text_redirects_the_output_of_wrap(commands):
    for command in commands.values():
        assert not [line for line in command.get("discussion", "").splitlines() if REDIRECTED.search(line)]


def test_values_of_variables_arrive_unchanged(tmp_path):
    page = (ROOT / "docs/gitops.md").read_text()
    (block,) = [block for block in re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "<<MANIFEST" in block]
    key = base64.b64encode(bytes(32)).decode()
    for token in ("t1", "1234", "true", "a: b", "x #y", "null", "0x10", "- a", "it's"):
        environment = {**os.environ, "SB_WRAP_MASTER_KEY": key, "REPOSITORY_TOKEN": token, "CLUSTER_TOKEN": "t0", "CLUSTER_CA": "Y2E="}
        run("bash", "-ec", f'secrets-bridge() {{ "{BINARY}" "$@"; }}\n{block}', cwd=tmp_path, env=environment)
        secret = json.loads(run(BINARY, "unwrap", "wrapped-repository.yaml", "-o", "json", cwd=tmp_path, env=environment).stdout)
        assert base64.b64decode(secret["data"]["password"]).decode() == token
