#!/usr/bin/env python3
"""How weft's cost grows: with workers, goroutines, cases, room, size of values and timers; how soon an
idle runtime comes awake; and what it costs while nothing happens. Beside Go, where Go is there.

  ./dev bench --scaling [--only SERIES,...] [--rounds N] [--quick] [--without-go]

Writes scaling.json, scaling.md and a plot for each series (scaling-NAME.svg) to the build directory.
"""

import argparse
import json
import sys

from harness import build, measure, plots, tables
from harness.summary import median, number

WORKERS = [1, 2, 4, 8, 16, 32, 64]


class Series:
    """Points along x: workload, workers, operations. `figure` is what is drawn."""

    def __init__(self, title, x, y, points, figure="ns_per_op", go=True):
        self.title, self.x, self.y, self.points = title, x, y, points
        self.figure, self.go = figure, go


def over_workers(workload, ops):
    return Series(f"{workload}, by workers", "workers", "ns an operation",
                  [(k, workload, k, ops) for k in WORKERS])


def over(title, x, workload, values, ops, figure="ns_per_op", y="ns an operation", go=True):
    """`ops` may be a function of the value."""
    return Series(title, x, y, [(v, workload.format(v), 1, ops(v) if callable(ops) else ops)
                                for v in values], figure, go)


TENS = [10**k for k in range(1, 7)]
SERIES = {
    "workers-ping_pong": over_workers("ping_pong", 400_000),
    "workers-buffered": over_workers("buffered_128", 2_000_000),
    "workers-many": over_workers("many_to_many_4", 1_000_000),
    "workers-select": over_workers("select_2", 400_000),
    "workers-spawn": over_workers("spawn", 500_000),
    "workers-skynet": over_workers("skynet", 100_000),
    "ring": over("A hop in a ring, by goroutines", "goroutines", "ring_{}", TENS,
                 lambda n: max(1_000_000, 3 * n)),
    "memory": over("Memory of a parked goroutine, by goroutines", "goroutines", "parked", TENS,
                   lambda n: n, "bytes_per_op", "bytes each"),
    "cases": over("A select, by cases", "cases", "select_{}", [1, 2, 4, 8, 16, 32, 64], 200_000),
    "capacity": over("A value from one goroutine to another, by room in the channel", "capacity",
                     "buffered_{}", [4**k for k in range(7)], 2_000_000),
    "element": over("A value through a channel with room for 128, by size", "bytes", "element_{}",
                    [8, 64, 256, 1024, 4096], 500_000),
    "timers": over("A timer set and stopped, by timers that are set", "timers", "timer_{}",
                   [10**k for k in range(2, 7)], 1_000_000),
}
# workload, operations, what it is
LATENCIES = [
    ("wake_thread", 3000, "from a plain thread, over a channel"),
    ("wake_timer", 3000, "from a timer of 1 ms: how late"),
    ("wake_socket", 3000, "from a socket that a thread writes to"),
]
COSTS = [("cpu_idle", 3000, "nothing to do"), ("cpu_tick", 3000, "a goroutine that ticks each ms")]


def run_series(name, series, commands, args):
    """peer -> [(x, median)]."""
    lines = {}
    peers = [p for p in commands if p == "weft" or series.go]
    for x, workload, workers, ops in series.points:
        ops = measure.even(max(2, ops / (20 if args.quick else 1)))
        if series.figure == "bytes_per_op":
            ops = measure.even(x)
        samples = {p: [] for p in peers}
        for _ in range(args.rounds):
            for p in peers:
                try:
                    figures = measure.run_once(commands[p], workload, workers, ops, args.limit, None)
                    samples[p].append(figures[series.figure])
                except (measure.NotHere, measure.TimeLimit, measure.Failed, KeyError) as e:
                    build.say(f"  {name}: {p}: {workload}: {type(e).__name__} {e}")
                    break
        for p in peers:
            if samples[p]:
                lines.setdefault(p, []).append((x, median(samples[p])))
    return lines


def run_figures(workloads, commands, args):
    rows = []
    for workload, ops, what in workloads:
        ops = measure.even(ops / (10 if args.quick else 1))
        samples = {}
        for _ in range(args.rounds):
            for p, command in commands.items():
                try:
                    figures = measure.run_once(command, workload, 2, ops, args.limit, None)
                except (measure.NotHere, measure.TimeLimit, measure.Failed) as e:
                    build.say(f"  {p}: {workload}: {type(e).__name__} {e}")
                    continue
                for figure, value in figures.items():
                    samples.setdefault(p, {}).setdefault(figure, []).append(value)
        rows.append({"workload": workload, "what": what, "samples": samples})
    return rows


def series_table(series, lines):
    xs = [p[0] for p in series.points]
    text = [f"**{series.title}**, {series.y}", "",
            f"| {series.x} | " + " | ".join(f"{x:,}" for x in xs) + " |",
            "|---|" + "--:|" * len(xs)]
    for peer, line in lines.items():
        at = dict(line)
        text.append(f"| {peer} | " + " | ".join(number(at[x]) if x in at else "-" for x in xs) + " |")
    return "\n".join(text)


def figures_table(rows, figures):
    peers = list(dict.fromkeys(p for r in rows for p in r["samples"]))
    text = ["| | " + " | ".join(f"{p}: {title}" for p in peers for title in figures.values()) + " |",
            "|---|" + "--:|" * (len(peers) * len(figures))]
    for r in rows:
        cells = [number(median(r["samples"][p][f])) if p in r["samples"] else "-"
                 for p in peers for f in figures]
        text.append(f"| {r['what']} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench --scaling", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default="", help=", ".join([*SERIES, "latency", "cpu"]))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--limit", type=float, default=60)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--without-go", action="store_true")
    a = p.parse_args()
    if a.quick:
        a.rounds = 1
    a.only = [name for name in a.only.split(",") if name]
    return a


def main():
    args = arguments()
    into = build.build_dir()
    commands, _ = build.build_all(into, only_go=True)
    commands = {p: c for p, c in commands.items() if p == "weft" or p == "go" and not args.without_go}
    about = {"about": build.describe(commands, into), "rounds": args.rounds, "date": build.today()}
    wanted = lambda name: not args.only or name in args.only  # noqa: E731
    parts, results = ["\n".join(tables.header(about))], dict(about, series={}, figures=[])
    for name, series in SERIES.items():
        if not wanted(name):
            continue
        build.say(name)
        lines = run_series(name, series, commands, args)
        results["series"][name] = lines
        (into / f"scaling-{name}.svg").write_text(
            plots.curves(series.title, series.x, series.y, lines), encoding="utf-8")
        parts.append(series_table(series, lines))
    for name, workloads, figures in (
            ("latency", LATENCIES, {"us_median": "median, µs", "us_p999": "99.9 %"}),
            ("cpu", COSTS, {"cpu_ms_per_s": "CPU ms a second"})):
        if not wanted(name):
            continue
        build.say(name)
        rows = run_figures(workloads, commands, args)
        results["figures"] += rows
        parts.append(figures_table(rows, figures))
    (into / "scaling.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    text = "\n\n".join(parts)
    (into / "scaling.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    build.say(f"also in {into}: scaling.json, scaling.md, scaling-*.svg")


if __name__ == "__main__":
    sys.exit(main())
