"""What more workers can bring. Pure."""

from __future__ import annotations


def allowed_growth(fewest: int, most: int, cpus: int) -> float:
    """How many times the throughput of `fewest` workers `most` of them can have: each needs a CPU of its own.

    1 if more workers share the same CPUs. Without the number of CPUs (0) nothing limits them.
    """
    limit = cpus or most
    return min(most, limit) / min(fewest, limit)
