"""Records: what was observed about each trial and each start of a server. Units are in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.plan import Case, ServerConfig
from harness.model.results import LoadResult

SCHEMA = 2
"""The version of `run.json` and `starts.jsonl`; it goes up on an incompatible change."""
TRIAL_SCHEMA = 3
"""The version of the lines of `trials.jsonl`; it goes up on an incompatible change."""
Verdict = Literal["valid", "client-limited", "network-limited", "invalid", "unsupported", "failed"]
"""How far a number can be trusted.

`valid`: it can be used. `client-limited`: it measures the load generator. `network-limited`: it measures the link.
`invalid`: it cannot be used. `unsupported`: the case cannot be measured. `failed`: there is no number, since the server
or the generator ended.
"""
USABLE: frozenset[Verdict] = frozenset({"valid", "client-limited", "network-limited"})
"""Verdicts of numbers that are right, if only as the least that the server can do."""
Step = Literal["doubling", "bisection", "confirmation"]
"""Why a search for a capacity tries a rate."""


@dataclass(frozen=True)
class MachineTime:
    """CPU seconds of the machine since it started, in hundredths of a second."""

    total_s: float
    """CPU time of all CPUs, used or idle."""
    stolen_s: float
    """The part of `total_s` that the host gave to other virtual machines."""
    server_s: float
    """CPU time of the CPUs that the server may use, used or idle."""
    used_s: float
    """The part of `server_s` that processes used, including interrupts that the kernel counts as theirs."""
    paused_s: float = 0.0
    """For how long CPU quotas of the harness's control groups paused them, on each CPU."""


@dataclass(frozen=True)
class Sample:
    """One reading of a process tree; its CPU seconds are user and system time, with those of processes that ended."""

    at_ns: int
    cpu_s: float
    processes: int
    memory_bytes: int | None = None
    """Proportional set size of the tree; None if it was not read in this sample."""
    switches: int | None = None
    """Context switches since the start, voluntary or not; of threads that ended, those of the last sample before."""
    frequency_mhz: float | None = None
    """Mean frequency of the server's CPUs; None if it was not read in this sample or the kernel does not say."""
    machine: MachineTime | None = None
    """CPU time of the machine; None if it was not read in this sample."""
    cpu_s_by_program: Mapping[str, float] = field(default_factory=dict)
    """The parts of `cpu_s`; the children of a process that were never seen are its own. Not kept in records."""


@dataclass(frozen=True)
class Probe:
    """One trial of a search for a capacity."""

    rate_rps: float
    step: Step
    met: bool
    final: bool = False
    """Is this the trial whose number counts for the round?"""
    shortfall: str = ""
    """Why the service level was not met."""


@dataclass(frozen=True)
class Record:
    """Everything that was observed about one trial, with its verdict; it is written as soon as the trial ends."""

    case: Case
    round: int
    position: int
    """Position of its measurement in the order of the run, from 0; −1 for an exclusion."""
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    started_at: str = ""
    """ISO 8601, UTC."""
    result: LoadResult | None = None
    samples: tuple[Sample, ...] = ()
    steal_ratio: float | None = None
    """Share of the machine's CPU time during the measurement that the host gave to other virtual machines."""
    other_cpu_ratio: float | None = None
    """Share of the server's CPUs during the measurement that neither servers nor load processes used."""
    paused_ratio: float | None = None
    """Share of the measurement for which a CPU quota paused the servers' container, or that of the harness."""
    block: int = 0
    """Number of the block within its round: cases of one block took turns, those of others did not."""
    slice_cpu_s: tuple[float | None, ...] = ()
    """CPU seconds of the server's processes in each slice of the result, lead-in and end included; None: not known."""
    cpu_s_by_program: Mapping[str, float] = field(default_factory=dict)
    """The parts of the sum of `slice_cpu_s`, where the server's processes run several programs."""
    idle_cpu_ratio: float | None = None
    """CPU seconds of the server's processes ÷ seconds while it was not its turn: 0.01 is 1 % of a core."""
    overloaded: bool = False
    """Was the offered rate more than the server can answer? False if anything else may be the reason."""
    disturbed: bool = False
    """Was there so much steal, or CPU time of other processes, that absolute numbers are too low?"""
    load_argv: tuple[str, ...] = ()
    """The command line of Locust; of the cases of a measurement, which share it, only the first has it."""
    log_tail: str = ""
    probe: Probe | None = None
    """The step of the search, if the case is a search for a capacity."""
    schema: int = TRIAL_SCHEMA

    @property
    def counts(self) -> bool:
        """Does its number count for its round? Not if it is a step of a search before the final one."""
        return self.probe is None or self.probe.final


@dataclass(frozen=True)
class Active:
    """What a server actually runs its app with, as seen from inside the app."""

    loop: str | None = None
    """The class of the running event loop, `uvloop.Loop`."""
    modules: tuple[str, ...] = ()
    """The loaded top-level modules that are not part of Python."""


@dataclass(frozen=True)
class ServerStart:
    """Everything that was observed about one server start: its command, its times, and how the server ended."""

    config: ServerConfig
    round: int
    argv: tuple[str, ...]
    ready_s: float | None = None
    """Start-up time: from exec to the first right answer; None if there was none."""
    first_request_s: float | None = None
    """The time from connecting to the end of that first answer."""
    active: Active | None = None
    """None if the app does not report it."""
    stop_s: float | None = None
    """Stop time: from SIGTERM to the end of the last process."""
    killed: bool = False
    """Did it have to be killed after the grace period?"""
    idle_memory_bytes: int | None = None
    log: str = ""
    """The name of the log file in `logs/`."""
    ended: str | None = None
    """How the server ended by itself, `SIGKILL`; None if it ran until it was stopped, or never became ready."""
    schema: int = SCHEMA
