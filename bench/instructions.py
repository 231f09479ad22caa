#!/usr/bin/env python3
"""What one operation of each key workload costs in instructions, counted by callgrind with one
worker, against bench/instructions.base. Fails if one has grown by more than 3 %.

  ./dev bench --instructions [--record] [WORKLOAD...]

--record writes the figures to the base. The base names its compiler: another one makes other code,
so with another one the figures are printed and nothing is judged. Needs valgrind.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from harness import build, callgrind

BASE = build.ROOT / "bench" / "instructions.base"
TOLERANCE = 0.03


def read_base():
    lines = BASE.read_text(encoding="utf-8").splitlines() if BASE.exists() else []
    compiler = next((line[2:] for line in lines if line.startswith("# ")), "")
    figures = {name: float(v) for name, v in (line.split() for line in lines if line[:1] != "#")}
    return compiler, figures


def main():
    p = argparse.ArgumentParser(prog="./dev bench --instructions", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--record", action="store_true")
    p.add_argument("workloads", nargs="*", default=callgrind.KEY_OPERATIONS)
    a = p.parse_args()
    if not callgrind.available():
        p.error("there is no valgrind")
    into = build.build_dir()
    program = build.build_weft(into)["weft"][0]
    compiler = build.describe({}, into)["compiler"]
    base_compiler, base = read_base()
    same = compiler == base_compiler
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        now = dict(zip(a.workloads, pool.map(
            lambda name: round(callgrind.instructions(program, name), 1), a.workloads)))

    def grown(name):
        return name not in base or now[name] > base[name] * (1 + TOLERANCE)

    # What else the machine does can disturb a count, which then is too large or too small.
    for _ in range(2):
        for name in filter(grown, a.workloads if same else []):
            now[name] = min(now[name], round(callgrind.instructions(program, name), 1))

    print(f"{'workload':18} {'recorded':>10} {'now':>10} {'change':>8}")
    for name, count in now.items():
        was = base.get(name)
        change = f"{100 * (count / was - 1):+.1f} %" if was else "-"
        print(f"{name:18} {was or '-':>10} {count:>10} {change:>8}")
    if a.record:
        base.update(now)
        lines = [f"# {compiler}"] + [f"{name} {base[name]}" for name in sorted(base)]
        BASE.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return 0
    if not same:
        print(f"not judged: the base was recorded with {base_compiler}, this is {compiler}")
        return 0
    bad = list(filter(grown, a.workloads))
    if bad:
        print(f"grown by more than {TOLERANCE:.0%}, or not recorded: {', '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
