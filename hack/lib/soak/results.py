"""The figures of a soak, as JSON and as the section of docs/benchmarks.md."""

import collections
import json
import pathlib
import statistics

import judgement
import plots
from report import machines, table

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/benchmarks.md"
PLOT, FIGURES = ROOT / "docs/soak.svg", ROOT / "docs/benchmarks/soak.json"
BEGIN, END = "<!-- hack/soak: begin -->", "<!-- hack/soak: end -->"
TITLE = "Two replicas under changes and faults"


def process_figures(life, samples, since):
    """Returns what is known of one process, or None if it ended before its first sample."""
    if not samples:
        return None
    first, last = samples[0], samples[-1]
    syncs = last.get("syncs", 0)
    return {
        "replica": life.replica,
        "process": life.number,
        "minutes": round(last["age"] / 60, 1),
        "led_percent": round(100 * statistics.fmean(bool(sample.get("leads")) for sample in samples)),
        "end": life.end,
        "syncs": round(syncs),
        "cpu_percent": round(100 * (last["cpu"] - first["cpu"]) / max(last["time"] - first["time"], 1), 1),
        "memory_highest": round(max(sample["memory"] for sample in samples), 1),
        "growth": {
            field: one and {"mean": round(one.mean, 2), "hourly": round(one.hourly, 2), "error": round(one.error, 2)}
            for field, one in judgement.growths(samples, since).items()
        },
    }


def growth_text(one, digits):
    return f"{one['mean']:.{digits}f}, {one['hourly']:+.{digits}f} ± {2 * one['error']:.{digits}f}"


def section(result):
    """Returns the text between the marks of the page."""
    described = machines({"soak": {"machine": result["machine"], "objects": result["objects"]}})
    ends = collections.Counter(one["end"] for one in result["lives"])
    summary = table(("run", ""), [
        ("minutes of changes and faults", result["minutes"]),
        ("objects; merge targets; objects with providers", f"{result['objects']}; {result['merge_targets']}; {result['of_providers']}"),
        ("bytes of all values", f"{result['bytes'] / 2**20:.1f} MiB"),
        ("changes", f"{result['changes']} ({result['changes_per_second']}/s)"),
        ("faults", f"{sum(result['faults'].values())}, and {result['provider_faults']} of providers"),
        ("processes of both replicas", f"{result['processes']}: " + ", ".join(f"{count} {end}" for end, count in ends.most_common())),
        ("in sync after the last fault", f"{result['converged_seconds']} s"),
        ("differences; writes in the quiet time", f"{result['differences']}; {result['quiet_writes']}"),
    ])  # fmt: skip
    long = [one for one in result["lives"] if one["growth"]["memory"]]
    lives = table(
        ("process", "minutes", "leader", "CPU", "syncs", "MiB, growth an hour", "descriptors", "threads"),
        [(f"replica {one['replica']}, {one['process']}", one["minutes"], f"{one['led_percent']} %", f"{one['cpu_percent']} %", one["syncs"],
          growth_text(one["growth"]["memory"], 1), growth_text(one["growth"]["descriptors"], 1), growth_text(one["growth"]["threads"], 1))
         for one in long],
    )  # fmt: skip
    found = "Findings:\n\n" + "\n".join(f"- {one}" for one in result["findings"] or ["none"])
    return "\n\n".join([described, summary, found, f"![{TITLE}](soak.svg)", lives])


def write(result, samples, marks, quiet, folder, is_recorded):
    """Writes the plot and the figures into the folder, or into docs; returns the path of the plot."""
    drawing = plots.plot(TITLE, samples, marks, quiet)
    plot, figures = (PLOT, FIGURES) if is_recorded else (folder / PLOT.name, folder / FIGURES.name)
    plot.write_text(drawing)
    figures.write_text(json.dumps(result, indent=1) + "\n")
    if is_recorded:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + "\n\n" + section(result) + "\n\n" + END + rest.split(END)[1])
    return plot
