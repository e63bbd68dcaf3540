"""The check of the claims on security pages (hack/lib/claims.py) passes for the pages, and reports each kind of mistake."""

import shutil
import sys

import pytest

from conftest import ROOT, run

SWIFT = """
struct SealTests {
    @Test func opens() {}
    @Test(arguments: [1, 2], ["a", "b"])
    func refuses(number: Int, text: String) async throws {}
    @Test(.disabled("later")) func waits() {}
    @Test(.enabled(if: false)) func waitsToo() {}
    @Test(.enabled(if: hasServer(["{"]))) func needsAServer() {}
    func helps() {}
    struct Deep { @Test func isNested() { run { "}" } } }
}

/// A suite of the same file. @Test func commented() {}
@Suite(.serialized, .disabled("later")) struct IdleTests { @Test func idles() {} }
@Suite(.enabled(if: false)) struct OffTests { struct Inner { @Test func isOff() {} } }
@Suite struct OtherTests { @Test func isOther() {} }
extension SealTests { @Test func isExtended() {} }
"""
PYTHON = "def test_pod():\n    pass\n\n\ndef helps():\n    pass\n"
PAGE = """# Security

| claim | shown by |
|---|---|
| Envelopes open | [SealTests] `opens`, `refuses`; [test_pod] `test_pod` |

| other | table |
|---|---|
| without | tests |

[SealTests]: ../Tests/SealTests.swift
[test_pod]: ../Tests/test_pod.py
"""


@pytest.fixture
def check(tmp_path):
    for name, text in (("Tests/SealTests.swift", SWIFT), ("Tests/test_pod.py", PYTHON), ("Sources/Seal.swift", SWIFT)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "docs").mkdir()
    (tmp_path / "hack/lib").mkdir(parents=True)
    program = shutil.copy(ROOT / "hack/lib/claims.py", tmp_path / "hack/lib")

    def run_on(page):
        (tmp_path / "docs/security.md").write_text(page)
        (tmp_path / "docs/hardening.md").write_text("# Hardening\n")
        return run(sys.executable, program, check=False)

    return run_on


def test_pages_are_clean():
    assert run(sys.executable, ROOT / "hack/lib/claims.py").stderr == ""


def test_a_page_without_mistakes_passes(check):
    done = check(PAGE)
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("before,after,problem", [
    ("`opens`", "`open`", "docs/security.md:5: [SealTests] has no test open"),
    ("`opens`", "`helps`", "docs/security.md:5: [SealTests] has no test helps"),
    ("`opens`", "`waits`", "docs/security.md:5: [SealTests] has no test waits"),
    ("`opens`", "`waitsToo`", "docs/security.md:5: [SealTests] has no test waitsToo"),
    ("`opens`", "`commented`", "docs/security.md:5: [SealTests] has no test commented"),
    ("`opens`", "`isOther`", "docs/security.md:5: [SealTests] has no test isOther"),
    ("[test_pod]: ../Tests/test_pod.py", "[IdleTests]: ../Tests/SealTests.swift",
     "docs/security.md:12: [IdleTests]: ../Tests/SealTests.swift is not a file below Tests with this suite"),
    ("[test_pod]: ../Tests/test_pod.py", "[Inner]: ../Tests/SealTests.swift",
     "docs/security.md:12: [Inner]: ../Tests/SealTests.swift is not a file below Tests with this suite"),
    ("[test_pod]: ../Tests/test_pod.py", "[test_rod]: ../Tests/test_pod.py",
     "docs/security.md:12: [test_rod]: ../Tests/test_pod.py is not a file below Tests with this suite"),
    ("`test_pod` |", "`helps` |", "docs/security.md:5: [test_pod] has no test helps"),
    ("[test_pod] `test_pod`", "[test_pod]", "docs/security.md:5: [test_pod] is not followed by the name of a test"),
    ("[SealTests] `opens`, `refuses`; [test_pod] `test_pod`", "by review", "docs/security.md:5: the claim names no test: Envelopes open"),
    ("[SealTests] `opens`", "[Seal] `opens`", "docs/security.md:5: [Seal] is not defined at the end of the page"),
    ("../Tests/SealTests.swift", "../Tests/Other.swift", "docs/security.md:11: [SealTests]: ../Tests/Other.swift is not a file below Tests with this suite"),
    ("../Tests/SealTests.swift", "../Sources/Seal.swift", "docs/security.md:11: [SealTests]: ../Sources/Seal.swift is not a file below Tests with this suite"),
    ("[SealTests] `opens`, `refuses`; ", "", "docs/security.md:11: [SealTests] is defined and not used"),
    ("[test_pod]: ", "[SealTests]: ", "docs/security.md:12: [SealTests] is defined twice"),
    ("| without |", "| [SealTests] `never` |", "docs/security.md:9: [SealTests] has no test never"),
])
def test_a_mistake_is_reported(check, before, after, problem):
    assert before in PAGE
    done = check(PAGE.replace(before, after, 1))
    assert done.returncode == 1 and problem in done.stderr.splitlines(), done.stderr


@pytest.mark.parametrize("name", ["needsAServer", "isNested", "isExtended"])
def test_a_test_of_the_suite_is_found(check, name):
    assert check(PAGE.replace("`opens`", f"`{name}`")).stderr == ""


def test_suites_of_one_file_have_labels_of_their_own(check):
    page = PAGE.replace("[test_pod] `test_pod`", "[OtherTests] `isOther`; [Folder/Deep] `isNested`")
    page = page.replace("[test_pod]: ../Tests/test_pod.py", "[OtherTests]: ../Tests/SealTests.swift\n[Folder/Deep]: ../Tests/SealTests.swift")
    assert check(page).stderr == ""


def test_code_is_no_claim(check):
    done = check(PAGE + "\n```\n[Other] `name`\n| claim | shown by |\n```\n\nSee `[Other]` and [a page](security.md).\n")
    assert done.stderr == ""
