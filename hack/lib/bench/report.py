"""Writes the tables of docs/benchmarks.md and the plots in docs/benchmarks from a result file of hack/bench.

    report.py RESULTS
"""

import json
import pathlib
import re
import sys

import figures

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- hack/bench report: begin -->", "<!-- hack/bench report: end -->"
MACHINE = {"date": "date", "cpu": "CPU", "cores": "cores", "memory_gib": "memory, GiB", "system": "system", "kernel": "kernel",
           "load_at_start": "load at the start", "kubernetes": "Kubernetes", "etcd": "etcd", "openbao": "OpenBao",
           "secrets_bridge": "Secrets Bridge", "commit": "commit"}  # fmt: skip


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(map(str, line)) + " |" for line in lines)])


def machines(scenarios):
    """Returns one table of the machines of all scenarios, which differ if they were measured on different days."""
    described = [{**one["machine"], "objects": one["objects"]} for one in scenarios.values()]
    labels = {**MACHINE, "objects": "objects"}
    lines = [(label, " / ".join(dict.fromkeys(str(one.get(key, "unknown")) for one in described))) for key, label in labels.items()]
    return table(("machine", ""), lines)


def sections(scenarios):
    """Returns the text of the page's results, and the plots by file name."""
    parts, plots = [machines(scenarios)], {}
    for name, one in scenarios.items():
        result = one["result"]
        parts.append(f"### {name}")
        if "skipped" in result:
            parts.append(f"Not measured: {result['skipped']}.")
            continue
        parts.append(table(*figures.TABLES[name](result)))
        for file, plot in figures.PLOTS.get(name, lambda result: {})(result).items():
            plots[file] = plot
            parts.append(f"![{svg_title(plot)}](benchmarks/{file})")
    return "\n\n".join(parts), plots


def svg_title(plot):
    return re.search(r'aria-label="([^"]*)"', plot).group(1)


def main(path):
    try:
        scenarios = json.loads(pathlib.Path(path).read_text())["scenarios"]
    except FileNotFoundError:
        sys.exit(f"error: {path} is missing; run hack/bench first")
    text, plots = sections(scenarios)
    folder = ROOT / "docs/benchmarks"
    folder.mkdir(exist_ok=True)
    for file, plot in plots.items():
        (folder / file).write_text(plot)
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n\n" + text + "\n\n" + END + rest.split(END)[1])
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1])
