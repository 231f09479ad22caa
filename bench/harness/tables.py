"""The Markdown tables of a run."""

from harness.summary import median, number, summarize
from harness.workloads import WORKLOADS, is_mark

SIZES = {w.name: w for w in WORKLOADS}
FIGURES = ("ns_per_op", "bytes_per_op")


class Row:
    """One workload with one number of workers and one figure: what each peer did."""

    def __init__(self, workload, workers, figure):
        self.workload, self.workers, self.figure = workload, workers, figure
        self.peers = {}  # name -> samples
        self.status = {}  # name -> why there are none

    @property
    def unit(self):
        if self.figure == "bytes_per_op":
            return "bytes"
        return SIZES[self.workload].unit

    def goals(self):
        if self.figure != "ns_per_op":
            return ()
        return SIZES[self.workload].goals

    def fastest(self):
        rivals = {p: median(s) for p, s in self.peers.items()
                  if p != "weft" and not is_mark(p, self.workload)}
        return min(rivals, key=rivals.get) if rivals else None

    def fastest_of(self, pattern):
        """The fastest of the peers that a goal speaks of."""
        if pattern == "any":
            return self.fastest()
        fits = [p for p in self.peers if p == pattern or
                (pattern.endswith("*") and p.startswith(pattern[:-1]))]
        return min(fits, key=lambda p: median(self.peers[p])) if fits else None

    def ratio(self, peer, to="weft"):
        if peer not in self.peers or to not in self.peers:
            return None
        return median(self.peers[peer]) / median(self.peers[to])


def rows_of(results):
    rows = {}
    for r in results["rows"]:
        for figure in FIGURES:
            samples = r["samples"].get(figure)
            if figure != "ns_per_op" and not samples:
                continue
            row = rows.setdefault((r["workload"], r["workers"], figure),
                                  Row(r["workload"], r["workers"], figure))
            if samples:
                if row.unit == "ms":
                    samples = [s * r["ops"] / 1e6 for s in samples]
                row.peers[r["peer"]] = samples
            if r["status"] not in ("ok", "not here"):
                row.status[r["peer"]] = "time limit" if r["status"] == "time limit" else "failed"
    return list(rows.values())


def peers_of(results):
    peers = []
    for r in results["rows"]:
        if r["peer"] not in peers and r["status"] != "not here":
            peers.append(r["peer"])
    return peers


def triple(samples):
    s = summarize(samples)
    return f"{number(s.min)} / {number(s.median)} / {number(s.max)}"


def times(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def goal_text(row):
    parts = []
    for peers, goals, ours in ((row, row.goals(), "weft"),
                               (row, coroutine_goals(row), "weft-coro")):
        for goal in goals:
            rival = peers.fastest_of(goal.peer)
            got = peers.ratio(rival, ours) if rival else None
            factor = goal.factor(row.workers)
            what = f"{factor:g}x {'the fastest' if goal.peer == 'any' else goal.peer.rstrip('*')}"
            if ours != "weft":
                what = "coroutines " + what
            if got is None:
                parts.append(f"{what}: -")
            elif got >= factor:
                parts.append(f"{what}: yes, {got:.2f}")
            else:
                parts.append(f"{what}: **no, {got:.2f}**")
    return "; ".join(parts)


def coroutine_goals(row):
    return SIZES[row.workload].by_coroutines if row.figure == "ns_per_op" else ()


def main_table(rows):
    lines = ["| workload | workers | unit | weft: min / median / max | Go | Go / weft | "
             "fastest peer | | peer / weft | goal: reached? |",
             "|---|--:|---|--:|--:|--:|---|--:|--:|---|"]
    for row in rows:
        if "weft" not in row.peers:
            continue
        fastest = row.fastest()
        lines.append("| " + " | ".join([
            row.workload, str(row.workers), row.unit, triple(row.peers["weft"]),
            triple(row.peers["go"]) if "go" in row.peers else "-", times(row.ratio("go")),
            fastest or "-", triple(row.peers[fastest]) if fastest else "-",
            times(row.ratio(fastest)) if fastest else "-", goal_text(row)]) + " |")
    return lines


def all_peers_table(rows, peers):
    lines = ["| workload | workers | unit | " + " | ".join(peers) + " |",
             "|---|--:|---|" + "--:|" * len(peers)]
    for row in rows:
        cells = []
        for p in peers:
            if p in row.peers:
                cells.append(number(median(row.peers[p])))
            else:
                cells.append(row.status.get(p, ""))
        lines.append(f"| {row.workload} | {row.workers} | {row.unit} | " + " | ".join(cells) + " |")
    return lines


def counters_table(results):
    lines = ["| workload | workers | switches | steals | wake-ups |", "|---|--:|--:|--:|--:|"]
    for r in results["rows"]:
        s = r["samples"]
        if r["peer"] != "weft" or "switches" not in s:
            continue
        lines.append(f"| {r['workload']} | {r['workers']} | {median(s['switches']):.3g} | "
                     f"{median(s['steals']):.2g} | {median(s['wakeups']):.2g} |")
    return lines


def header(results):
    about = results["about"]
    versions = [about[k] for k in ("compiler", "go", "python", "rust", "boost", "crates") if k in about]
    return [f"{results['date']}, commit {about['commit']}, {about['cpus']} CPUs ({about['cpu']}), "
            f"{about['kernel']}, {', '.join(versions)}; rounds: {results['rounds']}"]


def markdown(results):
    rows = rows_of(results)
    parts = [header(results), main_table(rows)]
    if results["skipped"]:
        parts.append([f"Skipped: {name}: {why}." for name, why in results["skipped"].items()])
    parts.append(["All peers, medians; an empty place: the peer has no such thing:"])
    parts.append(all_peers_table(rows, peers_of(results)))
    parts.append(["What an operation makes weft's scheduler do:"])
    parts.append(counters_table(results))
    return "\n\n".join("\n".join(p) for p in parts)
