"""CPU time in a stretch of time, from samples of a process tree and of the machine. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.model.records import Sample
    from harness.model.results import Slice

EDGE_NS = 200_000_000
"""This much of either end of a stretch may lie outside the samples."""

SETTLING_NS = 50_000_000
"""A server may have something to do for this long after its last answer, which belongs to its slice."""


def cpu_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """CPU seconds of a process tree from `start_ns` to `end_ns`; None where the samples do not cover it."""
    return gained(((sample.at_ns, sample.cpu_s) for sample in samples), start_ns, end_ns)


def steal_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """Share of the machine's CPU time that its host gave to other machines; None where the samples do not cover it."""
    seen = [(sample.at_ns, sample.machine) for sample in samples if sample.machine is not None]
    stolen_s = gained(((at_ns, machine.stolen_s) for at_ns, machine in seen), start_ns, end_ns)
    total_s = gained(((at_ns, machine.total_s) for at_ns, machine in seen), start_ns, end_ns)
    return stolen_s / total_s if stolen_s is not None and total_s else None


def paused_between(samples: Iterable[Sample], start_ns: int, end_ns: int) -> float | None:
    """Share of the time for which CPU quotas paused the processes; None where the samples do not cover it.

    The kernel counts a pause for each CPU that had work to do, so this is an upper limit.
    """
    seen = ((sample.at_ns, sample.machine.paused_s) for sample in samples if sample.machine is not None)
    paused_s = gained(seen, start_ns, end_ns)
    return None if paused_s is None else min(1.0, paused_s / ((end_ns - start_ns) / 1e9))


def other_cpu_between(samples: Sequence[Sample], own_cpu_s: float | None, start_ns: int, end_ns: int) -> float | None:
    """Share of the server's CPUs that others used; `own_cpu_s` is what all servers of the block used in that time.

    None where the samples do not cover it.
    """
    seen = [(sample.at_ns, sample.machine) for sample in samples if sample.machine is not None]
    used_s = gained(((at_ns, machine.used_s) for at_ns, machine in seen), start_ns, end_ns)
    server_s = gained(((at_ns, machine.server_s) for at_ns, machine in seen), start_ns, end_ns)
    if used_s is None or own_cpu_s is None or not server_s:
        return None
    return max(0.0, used_s - own_cpu_s) / server_s


def cpu_by_slice(
    samples: Sequence[Sample], slices: Sequence[Slice], others: Sequence[Slice] = ()
) -> tuple[float | None, ...]:
    """CPU seconds of a process tree in each slice; `others` are its slices in other cases, as with more users.

    Between its slices a server is idle and its CPU time stands still, so a sample before and one after give the exact
    sum. Slices without a sample between them share theirs by their answers.
    """
    found: dict[int, float | None] = {}
    group: list[Slice] = []
    for each, following in _in_turn(slices, others):
        group.append(each)
        until_ns = None if following is None else following.opened_ns
        after = _first_settled(samples, each.drained_ns, until_ns)
        if after is None and following is not None:
            continue
        before = _last_sample(samples, group[0].opened_ns)
        total_s = None if before is None or after is None else after.cpu_s - before.cpu_s
        finished = sum(one.finished for one in group)
        for one in group:
            found[one.opened_ns] = total_s * one.finished / finished if total_s is not None and finished else None
        group = []
    return tuple(found[each.opened_ns] for each in slices)


def cpu_by_program(
    samples: Sequence[Sample], slices: Sequence[Slice], others: Sequence[Slice] = ()
) -> dict[str, float]:
    """CPU seconds of all slices for each program of a process tree that used any.

    None where there is only one, or where the CPU seconds of any slice are not known.
    """
    found = {}
    programs = {program for each in samples for program in each.cpu_s_by_program}
    for program in sorted(programs) if len(programs) > 1 else ():
        own = [replace(each, cpu_s=each.cpu_s_by_program.get(program, 0.0)) for each in samples]
        by_slice = cpu_by_slice(own, slices, others)
        known = [each for each in by_slice if each is not None]
        used_s = round(sum(known), 9)  # to the nanosecond: what the clock does not tell is rounding
        if used_s and len(known) == len(by_slice):
            found[program] = used_s
    return found if len(found) > 1 else {}


def idle_cpu_ratio(samples: Sequence[Sample], slices: Sequence[Slice], others: Sequence[Slice] = ()) -> float | None:
    """CPU seconds ÷ seconds between all of a server's slices; None without two samples between any of them."""
    used_s = idle_s = 0.0
    for one, other in _in_turn(slices, others):
        if other is None:
            break
        seen = [each for each in samples if one.drained_ns + SETTLING_NS <= each.at_ns <= other.opened_ns]
        if len(seen) > 1:
            used_s += seen[-1].cpu_s - seen[0].cpu_s
            idle_s += (seen[-1].at_ns - seen[0].at_ns) / 1e9
    return used_s / idle_s if idle_s else None


def _in_turn(slices: Sequence[Slice], others: Sequence[Slice]) -> Iterator[tuple[Slice, Slice | None]]:
    """All slices of a server in the order of time, each with the next one."""
    ordered = sorted((*slices, *others), key=lambda each: each.opened_ns)
    return zip_longest(ordered, ordered[1:])


def _first_settled(samples: Sequence[Sample], from_ns: int, to_ns: int | None) -> Sample | None:
    """The first sample after a server has settled; where the next slice begins sooner, the last before that."""
    within = [each for each in samples if each.at_ns >= from_ns and (to_ns is None or each.at_ns <= to_ns)]
    settled = (each for each in within if each.at_ns >= from_ns + SETTLING_NS)
    return next(settled, within[-1] if within else None)


def _last_sample(samples: Sequence[Sample], until_ns: int) -> Sample | None:
    return next((each for each in reversed(samples) if each.at_ns <= until_ns), None)


def gained(seen: Iterable[tuple[int, float]], start_ns: int, end_ns: int) -> float | None:
    """How much a count grew from `start_ns` to `end_ns`, linear between its samples.

    None where the samples miss more than `EDGE_NS` at either end, or all of the time. A shorter end that they miss
    counts at the mean rate of the rest: counting nothing there would make the server look cheaper than it is.
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
