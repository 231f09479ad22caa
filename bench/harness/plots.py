"""SVG plots without a library: ratios to weft as dots, and curves on logarithmic axes."""

import math
from html import escape

from harness.summary import median, number
from harness.tables import peers_of, rows_of

COLOURS = ["#1f6f8b", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#2e4057", "#c06e52", "#7fb7be",
           "#a3a847", "#5c5c5c", "#e07a9c", "#3d9970", "#b8860b"]
STYLE = ("text{font:12px system-ui,sans-serif;fill:#222}.small{font-size:11px;fill:#555}"
         ".head{font-size:14px;font-weight:600}.grid{stroke:#ddd}.axis{stroke:#888}")


class Svg:
    def __init__(self, width, height):
        self.width, self.height, self.parts = width, height, []

    def add(self, text):
        self.parts.append(text)

    def line(self, x1, y1, x2, y2, css="grid", extra=""):
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}" '
                 f'{extra}/>')

    def text(self, x, y, text, anchor="start", css=""):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">'
                 f"{escape(text)}</text>")

    def dot(self, x, y, colour, title, r=4):
        self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}">'
                 f"<title>{escape(title)}</title></circle>")

    def __str__(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                f'width="{self.width}" height="{self.height}"><style>{STYLE}</style>'
                f'<rect width="100%" height="100%" fill="#fff"/>' + "\n".join(self.parts) +
                "</svg>\n")


def ticks(low, high):
    """1, 2, 5 and their powers of ten, within."""
    found = []
    for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1):
        found += [m * 10.0**power for m in (1, 2, 5)
                  if low * 0.999 <= m * 10.0**power <= high * 1.001]
    if len(found) > 12:
        found = [t for t in found if f"{t:e}".startswith("1")]
    return found


def short(v):
    if v >= 1e6:
        return f"{v / 1e6:g}M"
    if v >= 1e3:
        return f"{v / 1e3:g}k"
    return f"{v:g}"


def legend(svg, names, colours, x, y, width):
    at = x
    for name in names:
        if at + 30 + 7 * len(name) > width:
            at, y = x, y + 18
        svg.dot(at, y - 4, colours[name], name)
        svg.text(at + 8, y, name)
        at += 30 + 7 * len(name)
    return y


def ratios(results):
    """Each row one workload, each dot one peer: its time divided by weft's."""
    rows = [r for r in rows_of(results) if r.figure == "ns_per_op" and "weft" in r.peers]
    peers = [p for p in peers_of(results) if p != "weft"]
    colours = {p: COLOURS[i % len(COLOURS)] for i, p in enumerate(peers)}
    left, top, step, plot = 180, 90, 20, 640
    svg = Svg(left + plot + 40, top + step * len(rows) + 50)
    svg.text(16, 24, "Time of each peer, divided by weft's (medians; right of the line: slower than weft)",
             css="head")
    legend(svg, peers, colours, 16, 48, svg.width - 20)
    everything = [r.ratio(p) for r in rows for p in r.peers]
    low = min([0.1, *everything])
    high = max([10, *everything])

    def x_of(ratio):
        return left + plot * math.log(ratio / low) / math.log(high / low)

    for t in ticks(low, high):
        svg.line(x_of(t), top - 10, x_of(t), top + step * len(rows), "axis" if t == 1 else "grid")
        svg.text(x_of(t), top + step * len(rows) + 16, short(t), "middle", "small")
    for i, row in enumerate(rows):
        y = top + step * i + 4
        svg.text(left - 10, y + 4, f"{row.workload}, {row.workers}", "end", "small")
        svg.line(left, y, left + plot, y)
        for p in peers:
            if p in row.peers:
                svg.dot(x_of(row.ratio(p)), y, colours[p],
                        f"{p}: {number(median(row.peers[p]))} {row.unit}, {row.ratio(p):.2f} x weft")
    return str(svg)


def curves(title, x_label, y_label, lines):
    """lines: name -> [(x, y)]; both axes logarithmic."""
    points = [p for line in lines.values() for p in line if p[0] > 0 and p[1] > 0]
    left, top, width, height = 70, 60, 520, 300
    svg = Svg(left + width + 30, top + height + 60)
    svg.text(16, 22, title, css="head")
    if not points:
        return str(svg)
    colours = {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(lines)}
    legend(svg, list(lines), colours, 20, 44, svg.width)
    x_low, x_high = min(p[0] for p in points), max(p[0] for p in points)
    y_low, y_high = min(p[1] for p in points) / 1.3, max(p[1] for p in points) * 1.3
    x_high = x_high if x_high > x_low else x_low * 10

    def x_of(x):
        return left + width * math.log(x / x_low) / math.log(x_high / x_low)

    def y_of(y):
        return top + height - height * math.log(y / y_low) / math.log(y_high / y_low)

    for t in sorted({p[0] for p in points}):
        svg.line(x_of(t), top, x_of(t), top + height)
        svg.text(x_of(t), top + height + 16, short(t), "middle", "small")
    for t in ticks(y_low, y_high):
        svg.line(left, y_of(t), left + width, y_of(t))
        svg.text(left - 6, y_of(t) + 4, short(t), "end", "small")
    svg.text(left + width / 2, top + height + 40, x_label, "middle")
    svg.text(left - 50, top - 8, y_label)
    for name, line in lines.items():
        line = [p for p in line if p[0] > 0 and p[1] > 0]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        svg.add(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        for x, y in line:
            svg.dot(x_of(x), y_of(y), colours[name], f"{name}: {short(x)}: {number(y)}", 3)
    return str(svg)
