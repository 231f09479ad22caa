"""What is measured: names, sizes, and what weft is to reach (docs/benchmarks.md tells the rest)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """weft is to be `factor` times as fast as `peer`; one factor for one worker, one for two.

    `peer` is a peer's name, the beginning of several names ending in `*`, or `any`: the fastest.
    """

    peer: str
    one: float
    two: float

    def factor(self, workers):
        return self.one if workers == 1 else self.two


@dataclass(frozen=True)
class Workload:
    name: str
    ops: int
    goals: tuple = ()
    unit: str = "ns"  # an operation; `ms`: all of them
    fixed: bool = False  # the size is what is measured: never fewer operations for a slow peer
    by_coroutines: tuple = ()  # goals of weft's stackless form


WORKLOADS = [
    Workload("spawn", 1_000_000, (Goal("tokio", 4, 3),), fixed=True),
    Workload("spawn_join", 1_000_000, (Goal("tokio", 3.5, 2.7),)),
    Workload("yield", 4_000_000, (Goal("fiber*", 5, 5),)),
    Workload("ping_pong", 1_000_000, (Goal("any", 3.5, 6),)),
    Workload("unbuffered", 2_000_000, (Goal("any", 2.4, 5),)),
    Workload("buffered_128", 5_000_000, (Goal("any", 1.3, 2),)),
    Workload("many_to_many_4", 4_000_000, (Goal("any", 1.3, 1.2),)),
    Workload("select_2", 1_000_000, (Goal("any", 1.5, 2.5),)),
    Workload("select_timeout_8", 500_000, (Goal("any", 3, 2.5),)),
    Workload("select_default_1", 20_000_000, (Goal("go", 2, 2),)),
    Workload("select_default_2", 10_000_000, (Goal("go", 3, 3),)),
    Workload("ring_503", 2_000_000, (Goal("any", 2.3, 2.3),)),
    Workload("ring_10000", 2_000_000, (Goal("any", 1, 1),)),
    Workload("sieve", 2_000, (Goal("any", 2, 1.5),), unit="ms", fixed=True),
    Workload("skynet", 1_000_000, (Goal("any", 8, 4),), unit="ms", fixed=True),
    Workload("fib", 500_000, (Goal("tokio", 4, 4),)),
    Workload("mutex_1", 20_000_000, (Goal("any", 1, 1),)),
    Workload("mutex_8", 8_000_000, (Goal("any", 1, 1),)),
    Workload("timer_1", 2_000_000, (Goal("any", 5, 3),)),
    Workload("sleepers", 1_000_000, (Goal("go", 2, 2),), unit="ms", fixed=True,
             by_coroutines=(Goal("tokio", 1, 1),)),
    Workload("parked", 1_000_000, (Goal("go", 1, 1),), fixed=True,
             by_coroutines=(Goal("tokio", 1, 1),)),
    Workload("process_1", 4_000),
    Workload("process_64", 4_000),
    Workload("process_1000", 4_000),
    Workload("echo_64", 200_000, (Goal("any", 1, 1), Goal("epoll", 0.9, 0.9))),
    Workload("echo_1000", 200_000, (Goal("any", 1, 1), Goal("epoll", 0.9, 0.9))),
]

# Figures that are no rival: a peer that does something easier. They stand in the table of all
# peers and are left out where the fastest is looked for.
MARKS = {
    ("may", "buffered_128"): "its queue has no bound",
    ("may", "many_to_many_4"): "its queue has no bound",
    ("epoll", "echo_64"): "a bare loop without tasks",
    ("epoll", "echo_1000"): "a bare loop without tasks",
    ("pages", "parked"): "a bare loop that touches as many pages",
    ("weft-coro", "parked"): "weft's own",
    ("weft-coro", "sleepers"): "weft's own",
}


def is_mark(peer, workload):
    return (peer, workload) in MARKS or (
        workload.startswith("select_default") and peer not in ("weft", "go")
    )
