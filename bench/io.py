#!/usr/bin/env python3
"""What descriptors cost: system calls of an echo server, limits that do not pass, lines a second.

  ./dev bench --io [--rounds N] [--requests N] [--connections N,...] [--workers N,...]

The system calls are counted by strace, for weft's echo server and for a bare epoll loop in C with the
same clients. Each server is run twice, with more requests the second time, and the difference is
taken: what starting and accepting costs is in neither. Lines are read from a pipe that cat fills, and
from a file, beside Go's bufio.Scanner, in turns. A byte goes there and back over two pipes, read with a limit
of an hour and without one, in turns; callgrind counts the instructions of both.
"""

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import build

HERE = Path(__file__).resolve().parent


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench --io", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--requests", type=int, default=20000, help="more in the second run of a server")
    p.add_argument("--connections", default="1,64")
    p.add_argument("--workers", default="1,2")
    p.add_argument("--lines", type=int, default=2_000_000)
    return p.parse_args()


def integers(text):
    return [int(word) for word in text.split(",")]


# ---- System calls ---------------------------------------------------------------------------


def calls_in(summary):
    """name -> count, of what `strace -c` wrote."""
    calls = {}
    for line in summary.splitlines():
        row = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if row and row[2] != "total":
            calls[row[2]] = int(row[1])
    return calls


def child_of(pid):
    while True:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        if children:
            return int(children[0])
        time.sleep(0.01)


def count_calls(server, load, workers, connections, requests):
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as summary:
        strace = subprocess.Popen(["strace", "-f", "-c", "-o", summary.name, *server, "echo",
                                   str(workers), "0"], stdout=subprocess.PIPE, text=True)
        try:
            port = strace.stdout.readline().split()[1]
            # The load adds a quarter to warm up.
            subprocess.run([load, port, str(connections), str(requests * 4 // 5)], check=True,
                           stdout=subprocess.DEVNULL)
        finally:
            subprocess.run(["kill", str(child_of(strace.pid))], check=True)
            strace.wait()
        return calls_in(summary.read())


def calls_per_request(server, load, workers, connections, more):
    few = 2000
    first = count_calls(server, load, workers, connections, few)
    second = count_calls(server, load, workers, connections, few + more)
    each = {name: (n - first.get(name, 0)) / more for name, n in second.items()}
    return {name: n for name, n in each.items() if abs(n) >= 0.005}


def system_calls(a, programs):
    print("| server | workers | connections | calls a request | against epoll | which |")
    print("|---|---|---|---|---|---|")
    for workers in integers(a.workers):
        for connections in integers(a.connections):
            bare = None
            for name in ("epoll", "weft"):
                each = calls_per_request(programs[name], programs["load"], workers, connections,
                                         a.requests)
                total = sum(each.values())
                bare = bare or total
                listed = ", ".join(f"{call} {n:.2f}" for call, n in
                                   sorted(each.items(), key=lambda item: -item[1]))
                print(f"| {name} | {workers} | {connections} | {total:.2f} | {total / bare:.2f} |"
                      f" {listed} |", flush=True)


# ---- Limits ---------------------------------------------------------------------------------


def instructions_of(command, kind):
    """Of one operation: the difference between two runs."""
    def whole(operations):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", command,
                               kind, str(operations)], capture_output=True, text=True, check=True)
        return int(re.search(r"Collected\s*:\s*(\d+)", done.stderr)[1])
    few, more = 1000, 10000
    return (whole(few + more) - whole(few)) / more


def limits(a, program):
    samples = {"none": [], "hour": []}
    for _ in range(a.rounds):
        for kind, all_of_it in samples.items():
            done = subprocess.run([program, kind, "300000"], capture_output=True, check=True)
            all_of_it.append(json.loads(done.stdout)["ns_per_op"])
    print("| two reads and writes of a byte | ns | instructions |")
    print("|---|---|---|")
    for kind, all_of_it in samples.items():
        count = f"{instructions_of(program, kind):.0f}" if shutil.which("valgrind") else "no valgrind"
        print(f"| {'without a limit' if kind == 'none' else 'a limit of an hour each'} |"
              f" {statistics.median(all_of_it):.0f} | {count} |", flush=True)


# ---- Lines ----------------------------------------------------------------------------------


def time_lines(command, way, path, through_pipe):
    if not through_pipe:
        with open(path, "rb") as source:
            done = subprocess.run([*command, way], stdin=source, capture_output=True, check=True)
    else:
        cat = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
        done = subprocess.run([*command, way], stdin=cat.stdout, capture_output=True, check=True)
        cat.stdout.close()
        cat.wait()
    return json.loads(done.stdout)


def lines(a, programs):
    print("| lines from | by | length | weft, ns a line | Go | ratio |")
    print("|---|---|---|---|---|---|")
    for length in (20, 100):
        with tempfile.NamedTemporaryFile() as text:
            text.write(b"".join(b"%0*d\n" % (length, i) for i in range(a.lines)))
            text.flush()
            for through_pipe in (True, False):
                for way in ("reader", "channel"):
                    samples = {"weft-lines": [], "go-lines": []}
                    for _ in range(a.rounds):
                        for name, all_of_it in samples.items():
                            result = time_lines(programs[name], way, text.name, through_pipe)
                            if result["lines"] != a.lines or result["bytes"] != a.lines * length:
                                sys.exit(f"{name} {way}: {result}")
                            all_of_it.append(result["ns_per_op"])
                    weft, go = (statistics.median(samples[n]) for n in ("weft-lines", "go-lines"))
                    print(f"| {'a pipe' if through_pipe else 'a file'} |"
                          f" {'line_reader' if way == 'reader' else 'lines'} | {length} | {weft:.0f} |"
                          f" {go:.0f} | {weft / go:.2f} |", flush=True)


def main():
    a = arguments()
    into = build.build_dir()
    programs = {
        **{name: command for name, command in build.build_weft(into).items() if name == "weft"},
        "epoll": [build.build_target(into, "epoll-peer")],
        "load": str(Path(into) / "bench" / "echo-load"),
        "weft-lines": [build.build_target(into, "weft-lines")],
        "go-lines": [Path(into) / "bench" / "go-lines"],
    }
    system_calls(a, programs)
    print()
    limits(a, build.build_target(into, "weft-limits"))
    if not shutil.which("go"):
        sys.exit("no Go here, so no lines")
    build.run_quietly(["go", "build", "-o", programs["go-lines"][0], HERE / "io" / "lines.go"],
                      Path(into) / "go-lines.log")
    print()
    lines(a, programs)


main()
