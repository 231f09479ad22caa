#!/usr/bin/env python3
"""What a change did to weft's own figures.

  ./dev bench --compare A B [--only WORKLOAD,...] [--rounds N] [--workers N,...] [--quick]

A and B are commits or build directories. Both run the same workloads (today's, where the commit can
build them), in turns: A B B A. A difference counts as one if Mann and Whitney's test gives less than
one in a hundred for its being chance, and the medians differ by more than 2 %. The instructions of an
operation (callgrind, one worker) stand beside it: they do not know the machine's mood, but neither
what a cache miss costs.
"""

import argparse
import shutil
import subprocess
import sys

from harness import build, callgrind, measure
from harness.summary import mann_whitney, median, number
from harness.workloads import WORKLOADS

DEFAULT = ["spawn", "spawn_join", "yield", "ping_pong", "unbuffered", "buffered_128",
           "many_to_many_4", "select_2", "select_timeout_8", "select_default_1", "select_default_2",
           "ring_503", "skynet", "fib", "mutex_1", "mutex_8", "timer_1"]
CHANCE, DIFFERENCE = 0.01, 0.02


def program_of(what, into):
    """Of a build directory, or of a commit that is built beside this tree's own build."""
    ready = build.Path(what) / "bench" / "weft-peer"
    if ready.exists():
        return ready.resolve()
    commit = subprocess.run(["git", "-C", build.ROOT, "rev-parse", "--short=12", what + "^{commit}"],
                            capture_output=True, text=True, check=False).stdout.strip()
    if not commit:
        raise build.BuildFailed(f"{what} is no commit, and there is no {ready}")
    here = into / "compare" / commit
    program = here / "build" / "bench" / "weft-peer"
    shutil.rmtree(here / "tree", ignore_errors=True)
    (here / "tree").mkdir(parents=True)
    archive = subprocess.run(["git", "-C", build.ROOT, "archive", commit], capture_output=True,
                             check=True).stdout
    subprocess.run(["tar", "-x", "-C", here / "tree"], input=archive, check=True)
    build.say("building", what, f"({commit})")
    own = here / "tree" / "bench"
    own.rename(here / "tree" / "bench.own")
    shutil.copytree(build.ROOT / "bench", own)
    try:
        build.build_cmake(here / "tree", here / "build", ["weft-peer"])
    except build.BuildFailed:
        build.say(f"{what} cannot build today's workloads: its own are taken")
        shutil.rmtree(own)
        (here / "tree" / "bench.own").rename(own)
        build.build_cmake(here / "tree", here / "build", ["weft-peer"])
    return program


def verdict(a, b):
    ratio = median(b) / median(a)
    if mann_whitney(a, b) >= CHANCE or abs(ratio - 1) <= DIFFERENCE:
        return "-"
    return "faster" if ratio < 1 else "SLOWER"


def spread(samples):
    """Half of the samples lie within so many per cent of the median."""
    m = median(samples)
    return 100 * median([abs(s - m) for s in samples]) / m


def main():
    p = argparse.ArgumentParser(prog="./dev bench --compare", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("a")
    p.add_argument("b")
    p.add_argument("--only", default=",".join(DEFAULT))
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--workers", default="1,2")
    p.add_argument("--quick", action="store_true", help="shorter runs")
    args = p.parse_args()
    into = build.build_dir()
    programs = [program_of(args.a, into), program_of(args.b, into)]
    sizes = {w.name: w.ops for w in WORKLOADS}
    print("| workload | workers | A, ns | ± % | B, ns | ± % | B / A | chance | instructions A | B | "
          "B / A | time |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for name in args.only.split(","):
        counts = ["-", "-", "-"]
        if callgrind.available() and name in callgrind.KEY_OPERATIONS:
            a, b = (callgrind.instructions(program, name) for program in programs)
            counts = [f"{a:.1f}", f"{b:.1f}", f"{b / a:.3f}"]
        for workers in args.workers.split(","):
            ops = measure.even(sizes.get(name, 1_000_000) / (10 if args.quick else 2))
            samples = [[], []]
            for turn in range(args.rounds):
                for side in (0, 1) if turn % 2 == 0 else (1, 0):
                    figures = measure.run_once([programs[side]], name, workers, ops, 60, None)
                    samples[side].append(figures["ns_per_op"])
            a, b = samples
            print(f"| {name} | {workers} | {number(median(a))} | {spread(a):.1f} | "
                  f"{number(median(b))} | {spread(b):.1f} | {median(b) / median(a):.3f} | "
                  f"{mann_whitney(a, b):.3f} | " + " | ".join(counts) + f" | {verdict(a, b)} |",
                  flush=True)


if __name__ == "__main__":
    sys.exit(main())
