"""What samples of a process tree and of the machine say of a stretch of time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.results import Sample

EDGE_NS = 200_000_000
"""How much of either end of a window may lie outside the samples."""


def cpu_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """CPU seconds of a process tree from `start_ns` to `end_ns`; None where the samples do not tell."""
    return _gained(((sample.at_ns, sample.cpu_s) for sample in samples), start_ns, end_ns)


def steal_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """Share of the machine's CPU time in that time that its host gave to others; None where the samples do not tell."""
    seen = [(sample.at_ns, sample.machine) for sample in samples if sample.machine is not None]
    stolen_s = _gained(((at_ns, machine.stolen_s) for at_ns, machine in seen), start_ns, end_ns)
    total_s = _gained(((at_ns, machine.total_s) for at_ns, machine in seen), start_ns, end_ns)
    return stolen_s / total_s if stolen_s is not None and total_s else None


def other_cpu_between(samples: Sequence[Sample], start_ns: int, end_ns: int) -> float | None:
    """Share of the server's CPUs in that time that others used; None where the samples do not tell."""
    seen = [(sample.at_ns, sample.machine) for sample in samples if sample.machine is not None]
    used_s = _gained(((at_ns, machine.used_s) for at_ns, machine in seen), start_ns, end_ns)
    server_s = _gained(((at_ns, machine.server_s) for at_ns, machine in seen), start_ns, end_ns)
    own_s = cpu_between(samples, start_ns, end_ns)
    return max(0.0, used_s - own_s) / server_s if used_s is not None and own_s is not None and server_s else None


def _gained(seen: Iterable[tuple[int, float]], start_ns: int, end_ns: int) -> float | None:
    """How much a count grew from `start_ns` to `end_ns`, linear between the looks at it.

    None where the looks miss more than `EDGE_NS` at either end, or all of the time. A shorter end that they miss
    counts at the mean rate of the rest: counting nothing there would flatter the server.
    """
    line = sorted(seen)
    if not line:
        return None
    first_ns, last_ns = max(start_ns, line[0][0]), min(end_ns, line[-1][0])
    if first_ns - start_ns > EDGE_NS or end_ns - last_ns > EDGE_NS or last_ns <= first_ns:
        return None
    at_ns = [each_ns - start_ns for each_ns, _ in line]
    before, after = np.interp([first_ns - start_ns, last_ns - start_ns], at_ns, [count for _, count in line])
    return float(after - before) * (end_ns - start_ns) / (last_ns - first_ns)
