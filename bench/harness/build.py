"""Builds weft and every peer that this machine can build, and says what it skips and why."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / "bench" / "peers"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def build_dir():
    path = Path(os.environ.get("WEFT_BENCH_BUILD", ROOT / "build" / "bench"))
    path.mkdir(parents=True, exist_ok=True)
    return path


class BuildFailed(Exception):
    pass


def run_quietly(command, log, **kwargs):
    """Its output goes to the end of the file `log`."""
    with open(log, "a", encoding="utf-8") as out:
        out.write("\n$ " + " ".join(map(str, command)) + "\n")
        out.flush()
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, **kwargs)
    if done.returncode != 0:
        raise BuildFailed(f"{command[0]} failed, see {log}")


def build_cmake(source, into, targets):
    into = Path(into)
    into.mkdir(parents=True, exist_ok=True)
    log = into / "build.log"
    log.write_text("", encoding="utf-8")
    configure = ["cmake", "-S", source, "-B", into, "-DCMAKE_BUILD_TYPE=Release", "-DWEFT_BENCH=ON",
                 "-DWEFT_TESTS=OFF", "-DWEFT_EXAMPLES=OFF", "-DWEFT_SSH_RUNNER=OFF"]
    if shutil.which("ccache"):
        configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    run_quietly(configure, log)
    run_quietly(["cmake", "--build", into, "--target", *targets, "--parallel",
                 str(os.cpu_count())], log)


def targets_of(into):
    listing = subprocess.run(["cmake", "--build", into, "--target", "help"], capture_output=True,
                             text=True, check=True).stdout
    return {word.rstrip(":") for line in listing.splitlines() for word in line.split()}


def first_line(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(
            "\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def build_weft(into):
    say("building weft")
    build_cmake(ROOT, into, ["weft-peer", "echo-load"])
    program = Path(into) / "bench" / "weft-peer"
    return {"weft": [program], "weft-coro": [program, "coroutines"]}


def build_go(into):
    program = Path(into) / "bench" / "go-peer"
    run_quietly(["go", "build", "-o", program, "."], Path(into) / "go.log", cwd=PEERS / "go",
                env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"})
    return {"go": [program]}


def build_all(into, only_go):
    """name -> command of each peer, and what was skipped: name -> why."""
    commands, skipped = build_weft(into), {}

    def attempt(name, needs, build):
        missing = [n for n in needs if shutil.which(n) is None]
        if missing:
            skipped[name] = f"there is no {' and no '.join(missing)} on this machine"
        else:
            say("building", name)
            try:
                commands.update(build(into))
            except BuildFailed as e:
                skipped[name] = str(e)
        if name in skipped:
            say(f"skipped: {name}: {skipped[name]}")

    attempt("Go", ["go"], build_go)
    return commands, skipped


def describe(commands, into):
    """Machine, versions, commit: what a figure is worth nothing without."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    compiler = "c++"
    for line in (Path(into) / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("CMAKE_CXX_COMPILER:"):
            compiler = line.split("=", 1)[1]
    about = {
        "commit": first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cpus": os.cpu_count(),
        "cpu": cpu,
        "kernel": platform.system() + " " + platform.release(),
        "compiler": first_line(compiler, "--version"),
    }
    if "go" in commands:
        about["go"] = first_line("go", "version")
    return about
