"""Instructions of one operation, counted by callgrind: a figure that a busy machine does not change."""

import re
import shutil
import subprocess

FEW, MANY = 10_000, 50_000
KEY_OPERATIONS = ["spawn", "spawn_join", "yield", "ping_pong", "unbuffered", "buffered_128",
                  "select_2", "select_default_1", "select_default_2", "mutex_1", "timer_1"]


def available():
    return shutil.which("valgrind") is not None


def total(program, workload, ops):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           "--fair-sched=yes", str(program), workload, "1", str(ops)],
                          capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{workload}: {done.stderr[-300:]}")
    return int(found.group(1))


def instructions(program, workload):
    """Each process performs its operations twice; what it does besides is the same in both."""
    return (total(program, workload, MANY) - total(program, workload, FEW)) / (2 * (MANY - FEW))
