#!/usr/bin/env python3
"""The workload `process` with Python's subprocess and threads; the others are not here.

  peer.py WORKLOAD WORKERS OPS

prints one line of JSON. Python has no number of workers: its threads take turns.
"""

import json
import subprocess
import sys
import threading
import time


def run_true(times):
    for _ in range(times):
        subprocess.run(["/bin/true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)


def process(ops, n):
    """n at once. How many there were."""
    if n == 1:
        run_true(ops)
        return ops
    each = max(1, ops // n)
    threads = [threading.Thread(target=run_true, args=(each,)) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return each * n


def main():
    base, _, n = sys.argv[1].rpartition("_")
    if base != "process" or not n.isdigit():
        sys.exit(3)
    ops, n = int(sys.argv[3]), int(n)
    process(ops, n)  # a warm-up
    start = time.monotonic_ns()
    done = process(ops, n)
    print(json.dumps({"ns_per_op": (time.monotonic_ns() - start) / done}))


if __name__ == "__main__":
    main()
