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


def sections(scenarios, folder):
    yield machines(scenarios)
    for name, one in scenarios.items():
        result = one["result"]
        yield f"### {name}"
        if "skipped" in result:
            yield f"Not measured: {result['skipped']}."
            continue
        yield table(*figures.TABLES[name](result))
        for file, plot in figures.PLOTS.get(name, lambda result: {})(result).items():
            (folder / file).write_text(plot)
            yield f"![{svg_title(plot)}](benchmarks/{file})"


def svg_title(plot):
    return re.search(r'aria-label="([^"]*)"', plot).group(1)


def main(path):
    try:
        scenarios = json.loads(pathlib.Path(path).read_text())["scenarios"]
    except FileNotFoundError:
        sys.exit(f"error: {path} is missing; run hack/bench first")
    folder = ROOT / "docs/benchmarks"
    folder.mkdir(exist_ok=True)
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + "\n\n" + "\n\n".join(sections(scenarios, folder)) + "\n\n" + END + after)
    print(PAGE.relative_to(ROOT))


if __name__ == "__main__":
    main(sys.argv[1])
