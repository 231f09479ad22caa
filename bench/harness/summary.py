"""From samples to figures."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    min: float
    median: float
    max: float


def median(samples):
    s = sorted(samples)
    n = len(s)
    return s[n // 2] if n % 2 else (s[n // 2 - 1] + s[n // 2]) / 2


def summarize(samples):
    return Summary(min(samples), median(samples), max(samples))


def number(v):
    """Three digits or so."""
    if v >= 100:
        return f"{v:,.0f}"
    return f"{v:.1f}" if v >= 10 else f"{v:.2f}"


def mann_whitney(a, b):
    """The two-sided chance that two such sets of samples come from the same source.

    By the normal approximation with a correction for ties and continuity; good from about seven
    samples each.
    """
    together = sorted([(v, 0) for v in a] + [(v, 1) for v in b])
    ranks_of_a, ties, i, n = 0.0, 0.0, 0, len(together)
    while i < n:
        j = i
        while j < n and together[j][0] == together[i][0]:
            j += 1
        rank = (i + j + 1) / 2
        ranks_of_a += rank * sum(1 for k in range(i, j) if together[k][1] == 0)
        ties += (j - i) ** 3 - (j - i)
        i = j
    na, nb = len(a), len(b)
    u = ranks_of_a - na * (na + 1) / 2
    variance = na * nb / 12 * ((n + 1) - ties / (n * (n - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - na * nb / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
