"""Runs one peer once, and rounds in which the peers take turns."""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass, field

NOT_HERE = 3  # exit status: the peer does not have this workload


class NotHere(Exception):
    pass


class TimeLimit(Exception):
    pass


class Failed(Exception):
    pass


def start(command, **kwargs):
    # A session of its own, so that a time limit ends what it has started, too.
    return subprocess.Popen([str(c) for c in command], text=True, start_new_session=True, **kwargs)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def finish(process, limit):
    """The figures of the JSON that it prints."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as e:
        raise TimeLimit() from e
    finally:
        kill(process)
    if process.returncode == NOT_HERE:
        raise NotHere()
    if process.returncode != 0:
        first = err.strip().split("\n")[0][:200]
        raise Failed(f"exit status {process.returncode}: {first}")
    return json.loads(out)


def run_once(command, workload, workers, ops, limit, load):
    if workload.startswith("echo_"):
        return run_echo(command, int(workload[5:]), workers, ops, limit, load)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return finish(start([*command, workload, workers, ops], **pipes), limit)


def run_echo(command, connections, workers, ops, limit, load):
    """The same load generator, a process of its own, for every server."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft[0] < connections + 100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft[1], 65536), soft[1]))
    server = start([*command, "echo", workers, 0], **pipes)
    try:
        first = server.stdout.readline().split()
        if len(first) != 2 or first[0] != "port":
            server.wait(timeout=limit)
            if server.returncode == NOT_HERE:
                raise NotHere()
            raise Failed(f"no port but {first}: {server.stderr.read()[-300:]}")
        # Once to make the connections' goroutines and pages, then measured, by the same process.
        figures = finish(start([load, first[1], connections, ops], **pipes), limit)
        figures["server_cpu_ns"] = cpu_ns(server.pid) / (ops * 5 / 4)
        return figures
    finally:
        kill(server)


def cpu_ns(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e9 / os.sysconf("SC_CLK_TCK")


@dataclass
class Series:
    """All samples of one peer in one workload: figure -> one a round."""

    samples: dict = field(default_factory=dict)
    status: str = "ok"  # ok, not here, time limit, or what went wrong
    ops: int = 0

    def add(self, figures):
        for name, value in figures.items():
            self.samples.setdefault(name, []).append(value)


def even(n):
    return max(2, int(n) // 2 * 2)


def calibrate(command, workload, workers, ops, limit, load, target):
    """So many operations that a run takes at most about `target` seconds."""
    few = even(min(ops, max(1000, ops / 50)))
    figures = run_once(command, workload, workers, few, limit, load)
    each = figures.get("ns_per_op", 0) * 1e-9
    if each <= 0:
        return ops
    return even(min(ops, max(few, target / each)))


def measure(workload, commands, workers, rounds, limit, divide, load, target=0.7):
    """peer -> Series. The peers take turns; who is over the time limit once is left out after."""
    series = {}
    ops = even(workload.ops / divide)
    for peer, command in commands.items():
        s = series[peer] = Series(ops=ops)
        if workload.fixed:
            continue
        try:
            s.ops = calibrate(command, workload.name, workers, ops, limit, load, target)
        except NotHere:
            s.status = "not here"
        except TimeLimit:
            s.status = "time limit"
        except Failed as e:
            s.status = str(e)
    for _ in range(rounds):
        for peer, s in series.items():
            if s.status != "ok":
                continue
            try:
                s.add(run_once(commands[peer], workload.name, workers, s.ops, limit, load))
            except NotHere:
                s.status = "not here"
            except TimeLimit:
                s.status = "time limit"
            except Failed as e:
                s.status = str(e)
    for peer, s in series.items():
        if s.status not in ("ok", "not here"):
            print(f"  {peer}: {workload.name}, {workers} workers: {s.status}", file=sys.stderr)
    return series
