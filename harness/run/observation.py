"""What was seen while cases took turns, and what their servers and others used of the CPUs meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis import cpu_time
from harness.model.targets import RunsAt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.hosts.link import LinkSampler
    from harness.hosts.server_host import RunningServer, Samples
    from harness.model.plan import Case, ServerConfig
    from harness.model.records import Sample
    from harness.model.results import LoadResult, Slice


@dataclass(frozen=True)
class Observation:
    """One measurement: what the load generator counted of each case, and what was sampled beside it."""

    results: Mapping[Case, LoadResult]
    running: Mapping[ServerConfig, RunningServer]
    """All servers that ran, of which those of no case were idle."""
    sampled: Mapping[ServerConfig, Samples]
    carried: LinkSampler | None
    """What the link carried; None for the loopback."""
    here: Sequence[Sample]
    """Samples of the machine of the load, where that is another one than that of the servers."""


class CpuUse(NamedTuple):
    """What a server used of its CPUs, in seconds; None where it is not known."""

    by_slice_s: tuple[float | None, ...]
    by_program_s: Mapping[str, float]
    idle_ratio: float | None
    """While it was not its turn; None where no other had one."""


class MachineShares(NamedTuple):
    """What others took of the machine."""

    steal_ratio: float | None
    other_cpu_ratio: float | None
    paused_ratio: float | None
    observed_s: float


def count_cpu(seen: Observation, case: Case) -> CpuUse:
    """What the server of a case used in its slices."""
    samples, slices = seen.sampled[case.config].samples, seen.results[case].slices
    # A server that runs already is its own control, and neighbouring slices of both share their CPU time.
    shared = case.control and isinstance(seen.running[case.config].watched, RunsAt)
    if shared or not samples[0].processes:
        return CpuUse((None,) * len(slices), {}, None)
    others = _list_other_slices(seen, case)
    return CpuUse(
        cpu_time.cpu_by_slice(samples, slices, others),
        cpu_time.cpu_by_program(samples, slices, others),
        cpu_time.idle_cpu_ratio(samples, slices, others) if len(seen.running) > 1 else None,
    )


def count_others(seen: Observation, *, disjoint: bool) -> MachineShares:
    """What others took from the first slice of a measurement to the last; `disjoint`: load and servers share no CPU."""
    slices = [each for result in seen.results.values() for each in result.slices]
    if not slices:
        return MachineShares(None, None, None, 1.0)
    between = min(each.opened_ns for each in slices), max(each.drained_ns for each in slices)
    samples = [each.samples for each in seen.sampled.values()]
    # What a server uses whose processes are unknown would be among the other processes.
    used = [cpu_time.cpu_between(each, *between) if each[0].processes else None for each in samples]
    own_cpu_s = None if None in used else sum(filter(None, used))
    # On shared CPUs the generator itself would be among the other processes.
    other = cpu_time.other_cpu_between(samples[0], own_cpu_s, *between) if disjoint else None
    stolen = (cpu_time.steal_between(each, *between) for each in (samples[0], seen.here))
    steal = max((each for each in stolen if each is not None), default=None)
    pauses = (cpu_time.paused_between(each, *between) for each in (samples[0], seen.here))
    paused = max((each for each in pauses if each is not None), default=None)
    return MachineShares(steal, other, paused, (between[1] - between[0]) / 1e9)


def _list_other_slices(seen: Observation, case: Case) -> list[Slice]:
    """When the server of this case had its turn in other cases, such as those of more users.

    A server that runs already is its own control.
    """
    own = seen.running[case.config].watched
    same = (
        result for other, result in seen.results.items() if other != case and seen.running[other.config].watched == own
    )
    return [each for result in same for each in result.slices]
