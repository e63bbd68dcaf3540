"""Every command has a man page that is readable and whose examples can be copied."""

import re
import shutil

import pytest

from conftest import run

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"]


def pages(prefix):
    return {path.name: path for path in (prefix / "share/man/man1").iterdir()}


def name_of(command):
    return "secrets-bridge" if command == "secrets-bridge" else f"secrets-bridge-{command.replace(' ', '-')}"


def rendered(path, width=200):
    """Renders a page as a terminal does, without bold and underline."""
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    text = run("groff", "-ww", "-man", "-Tutf8", f"-rLL={width}n", "-P-c", path)
    assert text.stderr == "", path
    return re.sub(".\b", "", text.stdout)


def test_pages_equal_commands(prefix, commands):
    assert set(pages(prefix)) == {f"{name_of(command)}.1" for command in commands} | {"kubectl-wrappedsecret.1"}


def test_page_has_its_sections_and_its_name(prefix, commands):
    for command, path in [(command, pages(prefix)[f"{name_of(command)}.1"]) for command in commands]:
        source = path.read_text()
        title = re.match(r'\.TH "([^"]+)" "1" "\d{4}-\d\d-\d\d" "secrets-bridge [\d.]+" ', source)
        assert title and title[1] == name_of(command).upper()
        sections = re.findall(r"(?m)^\.SH (.*)$", source)
        assert [section for section in sections if section in SECTIONS] == SECTIONS, path
        # The form that apropos reads: name, dash, one line.
        assert re.search(r"(?m)^\.SH NAME\n" + re.escape(name_of(command).replace("-", "\\-")) + r" \\- \S.*\n\.SH", source), path


def test_exit_codes_are_listed(prefix):
    status = rendered(pages(prefix)["secrets-bridge-rewrap.1"]).split("EXIT STATUS")[1].split("ENVIRONMENT")[0]
    assert [line.split()[0] for line in status.splitlines() if line.strip()] == ["0", "1", "64", "130"]


def test_examples_equal_those_of_the_help(prefix, commands):
    count = 0
    for command, info in commands.items():
        text = rendered(pages(prefix)[f"{name_of(command)}.1"]).splitlines()
        shown = [line.strip() for line in text]
        for line in info.get("discussion", "").splitlines():
            if line.startswith("  "):
                assert line.strip() in shown, f"{command}: {line}"
                count += 1
    assert count > 20


def test_options_are_complete_and_can_be_copied(prefix, commands):
    for command, info in commands.items():
        text = rendered(pages(prefix)[f"{name_of(command)}.1"])
        for argument in info.get("arguments", []):
            for name in argument.get("names", []) if argument["shouldDisplay"] else []:
                option = ("--" if name["kind"] == "long" else "-") + name["name"]
                assert re.search(rf"(?m)^ +(-\w, )?{re.escape(option)}\b", text), f"{command}: {option}"


def test_mandoc_reports_no_warning(prefix):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    run("mandoc", "-Tlint", "-Wwarning", *sorted(pages(prefix).values()))
