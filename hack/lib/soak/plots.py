"""The plot of a soak: a panel for each field over the minutes, with the faults above and the quiet time shaded."""

import html
import math
import statistics

import svg
from injection import API_SERVER, NETWORK, OPENBAO, REPLICA

PANELS = [("memory", "anonymous memory, MiB"), ("descriptors", "open descriptors"), ("threads", "threads"), ("queued", "objects in the queue")]
KINDS = [REPLICA, API_SERVER, OPENBAO, NETWORK]
# Of the replicas, and of the kinds of faults.
CURVES, TICKS = svg.COLORS[:2], ["#D55E00", "#CC79A7", "#009E73", "#8c959f"]
LEFT, WIDTH, TOP, PANEL, GAP, STRIP, LAST = 50, svg.WIDTH - 80, 70, 110, 46, 9, 30
# Seconds for which one point is drawn.
STEP = 15


def plot(title, samples, marks, quiet):
    """Returns the plot as SVG. `marks` have a time and a kind, and `quiet` is the start and the end of the quiet time."""
    end = max([quiet[1], *(sample["time"] for sample in samples)])

    def x(seconds):
        return LEFT + WIDTH * seconds / end

    body, bottom = legend(), TOP + len(KINDS) * STRIP + GAP + len(PANELS) * (PANEL + GAP) - GAP
    body.append(f'<rect x="{x(quiet[0]):.1f}" y="{TOP}" width="{x(quiet[1]) - x(quiet[0]):.1f}" height="{bottom - TOP}" fill="#8c959f" opacity="0.15"/>')
    for mark in marks:
        y = TOP + KINDS.index(mark.kind) * STRIP
        body.append(f'<rect x="{x(mark.time):.1f}" y="{y}" width="1.5" height="{STRIP - 2}" fill="{TICKS[KINDS.index(mark.kind)]}"><title>{html.escape(mark.name)}</title></rect>')
    y = TOP + len(KINDS) * STRIP + GAP
    for field, label in PANELS:
        body += panel(samples, field, label, x, y)
        y += PANEL + GAP
    step = 60 * rounded(end / 60 / 6)
    for part in range(int(end // step) + 1):
        body.append(svg.text(x(part * step), bottom + 18, f"{part * step / 60:g} min", "s", "middle"))
    return svg.document(bottom + LAST, title, body)


def legend():
    parts, place = [], LEFT
    names = [*(f"replica {number}" for number in (1, 2)), *KINDS, "quiet"]
    for name, color in zip(names, [*CURVES, *TICKS, "#d0d4d9"]):
        parts += [f'<rect x="{place}" y="34" width="10" height="10" fill="{color}"/>', svg.text(place + 15, 43, name, "s")]
        place += 30 + 7 * len(name)
    return parts


def panel(samples, field, label, x, top):
    """Returns the axes and a curve for each process, so that a restart is a gap."""
    highest = 2 * rounded(max([sample.get(field, 0) for sample in samples], default=0) / 2 or 1)
    body = [svg.text(LEFT, top - 8, label, "s")]
    for share in (0, 0.5, 1):
        y = top + PANEL * (1 - share)
        body += [f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="0.5"/>',
                 svg.text(LEFT - 6, y + 4, svg.number(highest * share), "s", "end")]  # fmt: skip
    processes = {}
    for sample in samples:
        if field in sample:
            processes.setdefault((sample["replica"], sample["process"]), []).append((sample["time"], sample[field]))
    for (replica, _), found in sorted(processes.items()):
        path = " ".join(f"{x(seconds):.1f},{top + PANEL * (1 - value / highest):.1f}" for seconds, value in thinned(found, field))
        body.append(f'<polyline points="{path}" fill="none" stroke="{CURVES[replica - 1]}" stroke-width="1.3"/>')
    return body


def rounded(value):
    """Returns the next number above that reads well on an axis."""
    power = 10 ** math.floor(math.log10(value))
    return next(one * power for one in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if one * power >= value)


def thinned(found, field):
    """Returns one point for each STEP: the median, or of the queue the longest."""
    steps = {}
    for seconds, value in found:
        steps.setdefault(int(seconds // STEP), []).append((seconds, value))
    choose = max if field == "queued" else statistics.median
    return [(statistics.fmean(seconds for seconds, _ in step), choose([value for _, value in step])) for _, step in sorted(steps.items())]
