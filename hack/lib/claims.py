#!/usr/bin/env python3
"""Checks that each claim on the security pages names tests that exist. Prints what is wrong, with the line.

    hack/lib/claims.py

A claim names a suite of tests by a label, and then its tests: [VectorTests] `name`, `name`. The end of the page defines the label
with the file that has the suite; a folder before the name tells suites of the same name apart: [HTTP/SecretMemoryTests]. Each line of a table whose last column is "shown by" has to name one."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ("docs/security.md", "docs/hardening.md")
DEFINITION = re.compile(r"^\[([^\]^]+)\]: (\S+)$")
# A label and the names behind it. Links with a target of their own, and code, are no labels.
REFERENCE = re.compile(r"(?<![!\]`])\[([\w./-]+)\](?![(:\[])((?: `\w+`,?)*)")


# What the structure of a Swift file depends on. Strings and comments come first, as they may contain anything.
SWIFT = re.compile(
    r'''(?P<skip>//[^\n]*|/\*.*?\*/|(?P<hashes>\#*)""".*?"""(?P=hashes)|(?P<raw>\#+)".*?"(?P=raw)|"(?:\\.|[^"\\\n])*")'''
    r'''|@(?P<attribute>Suite|Test)\b|\b(?:struct|class|actor|enum|extension)\s+(?P<type>[A-Z][\w.]*)|\bfunc\s+(?P<function>\w+)'''
    r'''|(?P<brace>[{}])|(?P<parenthesis>[()])''', re.DOTALL)
# A condition that is false in the text, and not by the settings of a run.
DISABLED = re.compile(r"\.disabled\(|\.enabled\(\s*if:\s*false\b")


def swift_tests(text):
    """Returns the tests of each suite that run. A disabled suite has none, nor has one in it."""
    suites, types, attributes = {}, [], {}  # types: the name of each open brace's type, or None, and whether it is disabled
    declared = attribute = None
    depth = start = 0
    for token in SWIFT.finditer(text):
        if token["parenthesis"]:
            depth += 1 if token[0] == "(" else -1
            if attribute and depth == 1 and token[0] == "(":
                start = token.end()
            elif attribute and depth == 0:
                attributes[attribute], attribute = text[start:token.start()], None
        elif token["skip"] or depth:
            continue
        elif token["attribute"]:
            attributes[token["attribute"]] = ""
            follows = re.compile(r"\s*\(").match(text, token.end())
            attribute = token["attribute"] if follows else None
        elif token["type"]:
            declared = token["type"].split(".")[-1], bool(DISABLED.search(attributes.pop("Suite", "")))
        elif token["function"]:
            traits = attributes.pop("Test", None)
            enclosing = [name for name, _ in types if name]
            if traits is not None and not DISABLED.search(traits) and not any(off for _, off in types):
                for suite in enclosing or [""]:
                    suites.setdefault(suite, set()).add(token["function"])
        elif token["brace"] == "{":
            types.append(declared or (None, False))
            declared = None
        elif types:
            types.pop()
    return suites


def python_tests(text):
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.MULTILINE))


def tests(path, label):
    """Returns the names of the tests of a suite, or of a Python file. None if the path is not a file below Tests, or has no such suite."""
    if not path.is_file() or ROOT / "Tests" not in path.parents:
        return None
    text = path.read_text(encoding="utf-8")
    name = label.split("/")[-1]
    if path.suffix == ".swift":
        return swift_tests(text).get(name)
    return python_tests(text) if path.stem == name else None


def cells(line):
    """Returns the cells of a line of a table, or nothing for another line."""
    if not (line.startswith("|") and line.endswith("|")):
        return []
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1])]


class Page:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.files = {}  # the tests of each label, and the line of its definition
        self.used = set()

    def definitions(self):
        for number, line in enumerate(self.lines, 1):
            if found := DEFINITION.match(line):
                label, target = found.groups()
                if label in self.files:
                    yield number, f"[{label}] is defined twice"
                names = tests((self.path.parent / target).resolve(), label)
                if names is None:
                    yield number, f"[{label}]: {target} is not a file below Tests with this suite"
                self.files[label] = (names, number)

    def references(self, line):
        """Yields the problems of the references in a line."""
        for label, names in REFERENCE.findall(line):
            if label not in self.files:
                yield f"[{label}] is not defined at the end of the page"
                continue
            self.used.add(label)
            known, _ = self.files[label]
            found = re.findall(r"`(\w+)`", names)
            if not found:
                yield f"[{label}] is not followed by the name of a test"
            for name in found:
                if known is not None and name not in known:
                    yield f"[{label}] has no test {name}"

    def claims(self):
        is_code = is_table_of_claims = False
        for number, line in enumerate(self.lines, 1):
            is_code ^= line.startswith("```")
            if is_code or DEFINITION.match(line):
                continue
            for problem in self.references(line):
                yield number, problem
            parts = cells(line)
            if not parts or parts[-1] == "shown by":
                is_table_of_claims = bool(parts)
            elif is_table_of_claims and set(line) - set("|-: ") and not REFERENCE.search(parts[-1]):
                yield number, f"the claim names no test: {parts[0][:60]}"
        for label in self.files.keys() - self.used:
            yield self.files[label][1], f"[{label}] is defined and not used"

    def problems(self):
        return sorted([*self.definitions(), *self.claims()])


def main():
    found = [f"{name}:{number}: {problem}" for name in PAGES for number, problem in Page(ROOT / name).problems()]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
