#!/usr/bin/env python3
"""Runs the same workloads in weft and in its peers, in turns: a Markdown table, JSON, a plot.

  ./dev bench [--peers] [--only WORKLOAD,...] [--rounds N] [--quick] [--workers N,...]

Without --peers the only peers are Go and, for processes, Python. Each figure comes from a process of
its own; within a round the peers take turns, so that what else happens on the machine meets all of
them alike. Everything is written to the build directory ($WEFT_BENCH_BUILD): results.json,
results.md, results.svg.
"""

import argparse
import json
import sys

from harness import build, measure, plots, tables
from harness.workloads import WORKLOADS


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peers", action="store_true", help="all peers, not Go alone")
    p.add_argument("--only", default="", help="these workloads, with commas between them")
    p.add_argument("--among", default="", help="these peers only, with commas between them")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--workers", default="1,2")
    p.add_argument("--limit", type=float, default=20, help="seconds for one process")
    p.add_argument("--quick", action="store_true",
                   help="one round of a twentieth: does everything run?")
    p.add_argument("--table", metavar="RESULTS.json",
                   help="measure nothing, draw the table and the plot of an earlier run")
    a = p.parse_args()
    a.only = [name for name in a.only.split(",") if name]
    unknown = set(a.only) - {w.name for w in WORKLOADS}
    if unknown:
        p.error(f"no workload {', '.join(sorted(unknown))}")
    if a.rounds < 1:
        p.error("--rounds wants a positive number")
    return a


def run(a):
    into = build.build_dir()
    commands, skipped = build.build_all(into, only_go=not a.peers)
    if a.among:
        commands = {p: c for p, c in commands.items() if p == "weft" or p in a.among.split(",")}
    results = {
        "about": build.describe(commands, into),
        "date": build.today(),
        "rounds": 1 if a.quick else a.rounds,
        "skipped": skipped,
        "rows": [],
    }
    for workload in WORKLOADS:
        if a.only and workload.name not in a.only:
            continue
        for workers in map(int, a.workers.split(",")):
            build.say(f"{workload.name}, {workers} workers")
            series = measure.measure(workload, commands, workers, results["rounds"], a.limit,
                                     20 if a.quick else 1, into / "bench" / "echo-load",
                                     0.05 if a.quick else 0.7)
            for peer, s in series.items():
                results["rows"].append({"workload": workload.name, "workers": workers, "peer": peer,
                                        "status": s.status, "ops": s.ops, "samples": s.samples})
            (into / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def main():
    a = arguments()
    into = build.build_dir()
    if a.table:
        with open(a.table, encoding="utf-8") as f:
            results = json.load(f)
    else:
        results = run(a)
    text = tables.markdown(results)
    (into / "results.md").write_text(text, encoding="utf-8")
    (into / "results.svg").write_text(plots.ratios(results), encoding="utf-8")
    print(text)
    build.say(f"also in {into}: results.json, results.md, results.svg")


if __name__ == "__main__":
    sys.exit(main())
