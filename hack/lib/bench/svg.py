"""Writes plots as SVG: stacked bars and lines. The text takes the color of the page, light or dark."""

import html

WIDTH, LEFT, RIGHT, TOP = 720, 230, 80, 56
BAR, GAP = 22, 14
# Distinct also without color vision (Okabe and Ito).
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:15px}.s{fill:#57606a;font-size:12px}line{stroke:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}}"
)


def text(x, y, content, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(content)}</text>'


def document(height, title, body):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img" aria-label="{html.escape(title)}">'
    return "\n".join([head, f"<style>{STYLE}</style>", text(0, 20, title, "t"), *body, "</svg>", ""])


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def legend(names):
    x, parts = LEFT, []
    for index, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="34" width="10" height="10" fill="{COLORS[index % len(COLORS)]}"/>')
        parts.append(text(x + 15, 43, name, "s"))
        x += 32 + 7 * len(name)
    return parts


def bars(title, unit, lines):
    """Returns a plot of horizontal stacked bars. `lines` maps the label of each bar to its parts by name."""
    names = list(dict.fromkeys(name for parts in lines.values() for name in parts))
    longest = max((sum(parts.values()) for parts in lines.values()), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / longest
    body, y = legend(names) if len(names) > 1 else [], TOP
    for label, parts in lines.items():
        body.append(text(LEFT - 10, y + 15, label, anchor="end"))
        x = LEFT
        for name, value in parts.items():
            color = COLORS[names.index(name) % len(COLORS)]
            body.append(f'<rect x="{x:.1f}" y="{y}" width="{value * scale:.1f}" height="{BAR}" fill="{color}"><title>{html.escape(name)}: {number(value)} {unit}</title></rect>')
            x += value * scale
        body.append(text(x + 6, y + 15, f"{number(sum(parts.values()))} {unit}", "s"))
        y += BAR + GAP
    return document(y, title, body)


def lines(title, x_unit, curves, height=300):
    """Returns a plot of the share of samples (0 to 100 %) at or below each value. `curves` maps a name to its sorted samples."""
    longest = max((samples[-1] for samples in curves.values() if samples), default=0) or 1
    left, bottom, right = 50, height - 40, WIDTH - 30
    body = legend(list(curves))
    for share in (0, 50, 100):
        y = bottom - (bottom - TOP) * share / 100
        body += [f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="0.5"/>', text(left - 6, y + 4, f"{share} %", "s", "end")]
    for part in range(5):
        x = left + (right - left) * part / 4
        body.append(text(x, bottom + 18, f"{number(longest * part / 4)} {x_unit}", "s", "middle"))
    for index, samples in enumerate(curves.values()):
        points = [(left + (right - left) * value / longest, bottom - (bottom - TOP) * (rank + 1) / len(samples)) for rank, value in enumerate(samples)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f'<polyline points="{path}" fill="none" stroke="{COLORS[index % len(COLORS)]}" stroke-width="2"/>')
    return document(height, title, body)
