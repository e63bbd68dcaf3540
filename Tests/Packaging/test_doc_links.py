"""Links between pages lead to a file that exists and to a heading in it."""

import re

import pytest

from conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "charts/secrets-bridge/README.md"])


def prose(page):
    """The text of a page without code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE))


def anchors(page):
    """The anchors that GitHub derives from headings, and those that the page sets itself."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = [re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {*headings, *re.findall(r'<a id="([^"]+)">', text)}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (fragment and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_paths_of_the_repository_exist(page):
    """Also those in commands: a page that names a file follows when the file moves."""
    paths = set(re.findall(r"(?<![\w./-])((?:Sources|Tests|charts|docs|hack|manifests)/[\w./+-]*\w)", page.read_text()))
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_pages_for_contributors_name_types_and_modules_that_exist():
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "Sources").rglob("*.swift")))
    declared = set(re.findall(r"\b(?:actor|class|enum|protocol|struct|typealias) (\w+)", sources))
    declared |= {folder.name for folder in (ROOT / "Sources").iterdir()}
    pages = "".join((ROOT / page).read_text() for page in ("docs/architecture.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"`([A-Z]\w*[a-z]\w*)`", pages))
    assert named - declared == {"Ready", "String"}
    modules = {path.relative_to(ROOT / "Sources").parts[0] for path in (ROOT / "Sources").rglob("*.swift")}
    table = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE))
    assert modules <= table, "a module is missing from the table"


RECORDS = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=[record.stem for record in RECORDS])
def test_decision_records_have_one_form(record):
    text = record.read_text()
    assert re.match(rf"# {int(record.name[:4])}\. .+\n\n- Status: (accepted|superseded).*\n- Date: \d{{4}}-\d\d-\d\d", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives considered"]
    assert f"]({record.name})" in (ROOT / "docs/adr/README.md").read_text()
