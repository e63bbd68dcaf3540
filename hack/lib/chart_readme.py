#!/usr/bin/env python3
"""Writes the values of the chart, with their defaults and comments in values.yaml, between the marks of its README.

    hack/lib/chart_readme.py            writes charts/secrets-bridge/README.md
    hack/lib/chart_readme.py --check    exits with 1 if it is out of date
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/secrets-bridge"
BEGIN, END = "<!-- values: written by hack/lib/chart_readme.py -->", "<!-- end of values -->"
PAGES = "https://github.com/secrets-bridge/secrets-bridge/blob/main"


class Value:
    """A key of values.yaml: its path, the lines of its comment, its default (None for a map with keys of its own), its children."""

    def __init__(self, path, comment, default):
        self.path, self.comment, self.default, self.children = path, comment, default, []


def parsed(text):
    """Returns the top-level values of block maps whose lists and flow collections are defaults, as in values.yaml."""
    root = Value("", [], None)
    parents, comment = [(-1, root)], []
    for line in text.splitlines():
        indent, content = len(line) - len(line.lstrip()), line.strip()
        if not content:
            comment = []
        elif content.startswith("#"):
            comment.append(content[1:].removeprefix(" "))
        elif content.startswith("- ") or not re.match(r"[\w.-]+:( |$)", content) or is_in_list(parents, indent):
            add_to_list(parents, indent, content)
        else:
            key, _, default = content.partition(":")
            while parents[-1][0] >= indent:
                parents.pop()
            above = parents[-1][1]
            above.default = None
            value = Value(f"{above.path}.{key}".removeprefix("."), comment, default.strip())
            above.children.append(value)
            parents.append((indent, value))
            comment = []
    return root.children


def is_in_list(parents, indent):
    """Returns whether a line continues an item of the list that is the default of the last value."""
    level, value = parents[-1]
    return bool(value.default) and value.default.startswith("- ") and indent > level


def add_to_list(parents, indent, content):
    value = parents[-1][1]
    value.default = f"{value.default} {content}".strip() if value.default else content


def code(text):
    return f"`{text}`"


def prose(text, in_table=True):
    """Escapes what Markdown would interpret, and links pages of the repository."""
    text = text.replace("<", r"\<").replace("|", r"\|") if in_table else text.replace("<", r"\<")
    return re.sub(r"\b(docs/[\w./-]+\.md|manifests/[\w./-]+\.yaml)", lambda found: f"[{found[1]}]({PAGES}/{found[1]})", text)


def sentence(comment):
    """Joins the lines of a comment; indented lines are code."""
    parts = [code(line.strip()) if line.startswith("  ") else prose(line) for line in comment]
    return " ".join(parts)


def default_of(value):
    if value.default is None:
        return ""
    default = value.default
    if default.startswith("- "):
        # A list of maps, one item: the notation of a flow sequence.
        items = [item.strip() for item in re.split(r"(?:^| )- ", default) if item.strip()]
        default = "[" + ", ".join("{" + re.sub(r" (?=[\w.]+: )", ", ", item) + "}" for item in items) + "]"
    return code(default.replace("|", r"\|"))


def leaves(value):
    """Yields a value's children in their order; a map only if it has a comment."""
    for child in value.children:
        if child.comment or not child.children:
            yield child
        yield from leaves(child)


def table(values):
    lines = ["| value | default | description |", "|---|---|---|"]
    return [*lines, *(f"| {code(value.path)} | {default_of(value)} | {sentence(value.comment)} |" for value in values)]


def sections(values):
    general = [value for value in values if not value.children]
    lines = ["### General", "", *table(general)]
    for value in values:
        if value.children:
            lines += ["", f"### {code(value.path)}", ""]
            if value.comment:
                lines += [sentence(value.comment), ""]
            lines += table(leaves(value))
    return lines


def main():
    path = CHART / "README.md"
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    if not after:
        sys.exit(f"error: {path.relative_to(ROOT)} has no marks; put {BEGIN!r} and {END!r} around its values")
    values = parsed((CHART / "values.yaml").read_text(encoding="utf-8"))
    new = "\n".join([before + BEGIN, "", *sections(values), "", END + after])
    if sys.argv[1:] == ["--check"]:
        if new != text:
            sys.exit(f"error: {path.relative_to(ROOT)} differs from values.yaml: run hack/lib/chart_readme.py")
    else:
        path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
