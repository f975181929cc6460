"""What a run was asked to measure, and in which order it will."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.protocols import TLS_PROTOCOLS, Protocol
from harness.model.targets import App, Scenario, Server


@dataclass(frozen=True)
class Case:
    """server × app × scenario × protocol × load × workers: one row of the answer."""

    server: str
    app: str
    scenario: str
    protocol: Protocol
    load: str = "saturate"
    users: int = 32
    streams: int = 1
    workers: int = 1

    @property
    def life(self) -> Life:
        return Life(self.server, self.app, self.workers, self.protocol in TLS_PROTOCOLS)

    def __str__(self) -> str:
        return f"{self.scenario} · {self.protocol} · {self.server}"


@dataclass(frozen=True)
class Life:
    """One start of one server, from exec to stop; every trial that can share it runs within it."""

    server: str
    app: str
    workers: int
    tls: bool


@dataclass(frozen=True)
class Selection:
    """What was asked for, complete and checked: the options of a run after defaults, file and command line."""

    servers: tuple[Server, ...]
    apps: tuple[App, ...]
    scenarios: tuple[Scenario, ...]
    protocols: tuple[Protocol, ...]
    load: str = "saturate"
    users: int = 32
    streams: int = 1
    workers: tuple[int, ...] = (1,)
    rounds: int = 5
    """How many at least; with a precision to reach, up to `max_rounds`."""
    precision: float | None = None
    """Half the width that the intervals of the ratios to the baseline shall not exceed: 0.05 is ±5 %."""
    max_rounds: int = 20
    warmup_s: float = 0.5
    duration_s: float = 2.0
    baseline: str | None = None
    """Server that the others are compared with, under `baseline_app`."""
    baseline_app: str | None = None
    seed: int = 0
    load_processes: int = 1
    ready_within_s: float = 15.0
    """How long a server may take until its first right answer."""
    python: str = "python"
    """Interpreter that runs the servers, but those with one of their own."""
    not_installed: Mapping[str, str] = field(default_factory=dict)
    """Name of a server or an app to the words that say what is missing and how to install it."""


@dataclass(frozen=True)
class Stint:
    """The trials of one life of a server, in the order in which they run."""

    life: Life
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Exclusion:
    """A case that was asked for and cannot be measured, and why."""

    case: Case
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, decided before the first process starts."""

    rounds: tuple[tuple[Stint, ...], ...]
    exclusions: tuple[Exclusion, ...]
    estimate_s: float
    further: tuple[tuple[Stint, ...], ...] = ()
    """Rounds to be added while a precision is not reached."""

    @property
    def cases(self) -> tuple[Case, ...]:
        """Each once, in the order in which they first come."""
        return tuple(dict.fromkeys(case for stints in self.rounds for stint in stints for case in stint.cases))

    @property
    def trial_count(self) -> int:
        return sum(len(stint.cases) for stints in self.rounds for stint in stints)
