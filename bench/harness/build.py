"""Builds weft and every peer that this machine can build, and says what it skips and why."""

import datetime
import os
import platform
import re
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


def today():
    return datetime.date.today().isoformat()


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


def build_rust(into):
    """tokio with its own channels and with kanal's, and may."""
    target = Path(into).resolve() / "cargo"
    run_quietly(["cargo", "build", "--release", "--locked"], Path(into) / "cargo.log",
                cwd=PEERS / "rust", env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    programs = target / "release"
    return {
        "tokio": [programs / "tokio"],
        "tokio-current": [programs / "tokio", "current_thread"],
        "tokio+kanal": [programs / "kanal"],
        "may": [programs / "may"],
    }


def build_target(into, target):
    run_quietly(["cmake", "--build", into, "--target", target, "--parallel", str(os.cpu_count())],
                Path(into) / f"{target}.log")
    return Path(into) / "bench" / target


def build_fiber(into):
    if "fiber-peer" not in targets_of(into):
        raise BuildFailed("CMake finds no Boost.Fiber 1.81 (libboost-fiber1.81-dev)")
    program = build_target(into, "fiber-peer")
    return {f"fiber-{name}": [program, variant] for name, variant in FIBER_VARIANTS.items()}


FIBER_VARIANTS = {
    "rr": "round_robin",
    "rr-dispatch": "round_robin-dispatch",
    "shared": "shared_work",
    "shared-dispatch": "shared_work-dispatch",
    "steal": "work_stealing",
    "steal-dispatch": "work_stealing-dispatch",
}


def build_all(into, only_go):
    """name -> command of each peer, and what was skipped: name -> why."""
    commands, skipped = build_weft(into), {}

    def attempt(name, build, needs=()):
        missing = [n for n in needs if shutil.which(n) is None]
        if missing:
            skipped[name] = f"there is no {' and no '.join(missing)} on this machine"
        else:
            say("building", name)
            try:
                commands.update(build(into))
            except (BuildFailed, OSError, subprocess.CalledProcessError) as e:
                skipped[name] = str(e)
        if name in skipped:
            say(f"skipped: {name}: {skipped[name]}")

    attempt("Go", build_go, ["go"])
    commands["python"] = [sys.executable, PEERS / "python" / "peer.py"]
    if only_go:
        return commands, skipped
    attempt("Boost.Fiber", build_fiber)
    attempt("Rust (tokio, kanal, may)", build_rust, ["cargo"])
    attempt("Boost.Asio", lambda to: {"asio": [build_target(to, "asio-peer")]})
    attempt("threads", lambda to: {"threads": [build_target(to, "threads-peer")]})
    attempt("epoll", lambda to: {"epoll": [build_target(to, "epoll-peer")]})
    attempt("pages", lambda to: {"pages": [build_target(to, "pages-peer")]})
    return commands, skipped


def crate_versions():
    """Of what the Rust peers stand on, from their lock file."""
    lock = (PEERS / "rust" / "Cargo.lock").read_text(encoding="utf-8")
    found = dict(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
    return ", ".join(f"{name} {found[name]}" for name in ("tokio", "kanal", "may"))


def cache_entry(into, name):
    for line in (Path(into) / "CMakeCache.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1]
    return ""


def describe(commands, into):
    """Machine, versions, commit: what a figure is worth nothing without."""
    cpu = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    about = {
        "commit": first_line("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "cpus": os.cpu_count(),
        "cpu": cpu,
        "kernel": platform.system() + " " + platform.release(),
        "compiler": first_line(cache_entry(into, "CMAKE_CXX_COMPILER") or "c++", "--version"),
    }
    if "go" in commands:
        about["go"] = first_line("go", "version")
    about["python"] = "Python " + platform.python_version()
    if "tokio" in commands:
        about["rust"] = first_line("rustc", "--version")
        about["crates"] = crate_versions()
    if "fiber-rr" in commands:
        version = re.search(r"[Bb]oost-([0-9.]+)", cache_entry(into, "Boost_DIR"))
        about["boost"] = "Boost " + (version.group(1) if version else "?")
    return about
