#!/usr/bin/env python3
"""Draws throughput.svg and latency.svg of a results folder, with the standard library only.

    plot.py perf/results/<date>-<commit>

throughput.svg: a panel per answer, bars are medians, whiskers least and greatest round; every panel has its own axis.
latency.svg: a panel per answer, open loop, all rounds together; both axes logarithmic. Colours follow the reader's
light or dark scheme; lines also differ in their dashes.
"""
import math
import statistics
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import recorded
import summarise

# Server -> colour on light ground, on dark ground, dashes.
SERVERS = {
    "ours": ("#0b62b8", "#58a6ff", ""),
    "nginx-sendfile-on": ("#b4510f", "#f0883e", "7 4"),
    "nginx-sendfile-off": ("#7a3fa0", "#c297eb", "2 3"),
    "raw": ("#6b6f76", "#a3a9b2", "9 3 2 3"),
}
WIDTH, MARGIN, GUTTER = 980, 16, 36
LABELS_WIDTH, ROW_HEIGHT, VALUE_WIDTH = 130, 26, 62
PLOT_HEIGHT = 300


class Svg:
    """Elements of one drawing."""

    def __init__(self, title, height):
        self.title, self.height, self.elements = title, height, []

    def add(self, name, text=None, **attributes):
        written = "".join(f' {key.rstrip("_").replace("_", "-")}="{number(value)}"' for key, value in attributes.items())
        self.elements.append(f"<{name}{written}/>" if text is None else f"<{name}{written}>{escape(text)}</{name}>")

    def text(self, x, y, text, anchor="start", class_="label"):
        self.add("text", text, x=x, y=y, text_anchor=anchor, class_=class_)

    def line(self, x1, y1, x2, y2, class_):
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)

    def written(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                f'height="{self.height}" role="img" aria-label="{escape(self.title)}">')
        return "\n".join([head, f"<title>{escape(self.title)}</title>", f"<style>{style()}</style>",
                          '<rect class="page" width="100%" height="100%"/>', *self.elements, "</svg>", ""])


def style():
    def scheme(index, page, text, faint, grid):
        servers = "".join(f".bar-{name}{{fill:{colours[index]}}}.line-{name}{{stroke:{colours[index]}}}"
                          for name, colours in SERVERS.items())
        return (f".page{{fill:{page}}}text{{fill:{text}}}.faint{{fill:{faint}}}.grid{{stroke:{grid}}}"
                f".whisker,.axis,.budget{{stroke:{text}}}{servers}")

    dashes = "".join(f".line-{name}{{stroke-dasharray:{dash}}}" for name, (_, _, dash) in SERVERS.items() if dash)
    return ("text{font:12px system-ui,sans-serif}.title{font-weight:600;font-size:14px}.curve{fill:none;stroke-width:2}"
            ".whisker{stroke-width:1.5}rect:not(.page){fill-opacity:.8}.budget{fill:none;stroke-width:1.5}"
            + dashes + scheme(0, "#ffffff", "#1f2328", "#59636e", "#dfe3e8")
            + "@media(prefers-color-scheme:dark){" + scheme(1, "#0d1117", "#e6edf3", "#9198a1", "#2b323b") + "}")


def number(value):
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def throughput(run):
    """Bars per answer and server."""
    panels = list(run.rounds.items())
    panel_height = 44 + ROW_HEIGHT * max(len(servers) for _, servers in panels) + 40
    svg = Svg("Closed loop, requests per second by answer and server: median, least and greatest round",
              MARGIN * 2 + 20 + panel_height * math.ceil(len(panels) / 2))
    svg.text(MARGIN, MARGIN + 12, svg.title, class_="faint")
    width = (WIDTH - 2 * MARGIN - GUTTER) / 2
    for index, (answer, servers) in enumerate(panels):
        bars(svg, MARGIN + (index % 2) * (width + GUTTER), MARGIN + 30 + (index // 2) * panel_height, width, answer, servers)
    return svg.written()


def bars(svg, left, top, width, answer, servers):
    zero, end = left + LABELS_WIDTH, left + width - VALUE_WIDTH
    best = max(r.rate for measured in servers.values() for r in measured)
    step = tick_step(best)
    top_rate = step * math.ceil(best / step)

    def x(rate):
        return zero + (end - zero) * rate / top_rate

    svg.text(left, top + 14, answer, class_="title")
    first, last = top + 26, top + 26 + ROW_HEIGHT * len(servers)
    for tick in range(round(top_rate / step) + 1):
        at = x(tick * step)
        svg.line(at, first, at, last, "grid")
        svg.text(at, last + 16, f"{tick * step:,.0f}", "middle", "faint")
    svg.text((zero + end) / 2, last + 32, "requests/s", "middle", "faint")
    for row, (server, measured) in enumerate(servers.items()):
        rates = [r.rate for r in measured]
        median, middle = statistics.median(rates), first + ROW_HEIGHT * (row + 0.5)
        svg.text(zero - 8, middle + 4, server, "end")
        svg.add("rect", x=zero, y=middle - 8, width=x(median) - zero, height=16, class_=f"bar-{server}")
        svg.line(x(min(rates)), middle, x(max(rates)), middle, "whisker")
        for rate in (min(rates), max(rates)):
            svg.line(x(rate), middle - 5, x(rate), middle + 5, "whisker")
        svg.text(end + 8, middle + 4, f"{median:,.0f}")
    svg.line(zero, first, zero, last, "axis")


def tick_step(top):
    """A step of 1, 2 or 5 times a power of ten that cuts 0 to `top` into three to seven parts."""
    power = 10 ** math.floor(math.log10(top / 3))
    return max(step for step in (power, 2 * power, 5 * power) if step <= top / 3)


def latency(run):
    """A percentile curve per answer and server."""
    svg = Svg("Open loop, latency from the intended send time by percentile", MARGIN * 2 + 60 + PLOT_HEIGHT + 70)
    rate = {answer: servers["ours"][0].wanted_rate for answer, servers in run.open_loop.items()}
    svg.text(MARGIN, MARGIN + 12, svg.title + "; circles are budgets", class_="faint")
    legend(svg, MARGIN + 36)
    width = (WIDTH - 2 * MARGIN - GUTTER * (len(rate) - 1)) / len(rate)
    for index, (answer, servers) in enumerate(run.open_loop.items()):
        merged = {server: recorded.Latencies.merged(loop.latencies for loop in measured)
                  for server, measured in servers.items()}
        curves(svg, MARGIN + index * (width + GUTTER), MARGIN + 60, width, f"{answer} at {rate[answer]:,.0f}/s", merged)
    return svg.written()


def legend(svg, y):
    x = MARGIN
    for server in SERVERS:
        svg.line(x, y - 4, x + 34, y - 4, f"curve line-{server}")
        svg.text(x + 40, y, server)
        x += 180


def curves(svg, left, top, width, title, merged):
    zero, right, first, last = left + 56, left + width - 28, top + 30, top + 30 + PLOT_HEIGHT
    nines = max(2, math.floor(math.log10(max(latencies.total for latencies in merged.values()))))
    slowest = max(latencies.quantile(1) for latencies in merged.values())
    fastest = min(latencies.counts[0][0] for latencies in merged.values())
    low = math.floor(math.log10(max(fastest, 1)))
    high = math.ceil(math.log10(max(slowest, *summarise.OPEN_LOOP_US_MAX.values())))

    def x(share):
        return zero + (right - zero) * min(-math.log10(1 - share), nines) / nines if share < 1 else right

    def y(value_us):
        return last - (last - first) * (math.log10(max(value_us, 1)) - low) / (high - low)

    svg.text(left, top + 14, title, class_="title")
    for nine in range(nines + 1):
        share = 1 - 10 ** -nine
        svg.line(x(share), first, x(share), last, "grid")
        svg.text(x(share), last + 16, f"{share * 100:.{max(nine - 2, 0)}f}%", "middle", "faint")
    svg.text((zero + right) / 2, last + 36, "share of the answers", "middle", "faint")
    for power in range(low, high + 1):
        svg.line(zero, y(10 ** power), right, y(10 ** power), "grid")
        svg.text(zero - 8, y(10 ** power) + 4, f"{10 ** (power - 3):g} ms", "end", "faint")
    for server, latencies in merged.items():
        points = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in curve(latencies, nines))
        svg.add("polyline", points=points, class_=f"curve line-{server}")
    for share, us_max in summarise.OPEN_LOOP_US_MAX.items():
        svg.add("circle", cx=x(share), cy=y(us_max), r=5, class_="budget")
    svg.line(zero, first, zero, last, "axis")
    svg.line(zero, last, right, last, "axis")


def curve(latencies, nines, steps_per_nine=40):
    """(share, latency) evenly along the axis: a histogram's thousands of buckets draw the same line."""
    for step in range(nines * steps_per_nine + 1):
        share = 1 - 10 ** (-step / steps_per_nine)
        yield share, latencies.quantile(share)


def main(folder):
    run = recorded.read(folder)
    (Path(folder) / "throughput.svg").write_text(throughput(run))
    if run.open_loop:
        (Path(folder) / "latency.svg").write_text(latency(run))


if __name__ == "__main__":
    main(sys.argv[1])
