"""Lists the scenarios of hack/bench, one file each. Imports nothing of them, so that it runs without the virtual environment.

    catalog.py                  prints each name with the first line of its description
    catalog.py check NAME...    exits with 64 if a name is unknown
"""

import ast
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "scenarios"
# Each scenario leaves behind what the next one needs, so that a run of all of them creates objects once.
ORDER = ["startup", "sync", "restart", "memory", "latency", "idle", "streamed-lists", "large", "namespaces", "providers"]


def path(name):
    return FOLDER / f"{name.replace('-', '_')}.py"


def description(name):
    return ast.get_docstring(ast.parse(path(name).read_text())).split("\n\n")[0].replace("\n", " ")


def main(arguments):
    if arguments[:1] == ["check"]:
        for name in arguments[1:]:
            if name not in ORDER:
                print(f"error: {name}: no such scenario; one of {', '.join(ORDER)} is expected", file=sys.stderr)
                sys.exit(64)
        return
    for name in ORDER:
        print(f"    {name:<16}{description(name)}")


if __name__ == "__main__":
    main(sys.argv[1:])
