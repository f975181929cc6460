"""What `drill.json` has: what ran where, which drills, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.drill.model import Drill, Entry, Figure

DRILL_SCHEMA = 1
"""The version of `drill.json`; incompatible changes increase it."""


@dataclass(frozen=True)
class DrillInfo:
    """What `drill.json` says of a drill: all but the functions."""

    name: str
    title: str
    procedure: str
    figures: tuple[Figure, ...]

    @classmethod
    def of(cls, drill: Drill) -> DrillInfo:
        return cls(drill.name, drill.title, drill.procedure, drill.figures)


@dataclass(frozen=True)
class Setting:
    """What ran where, and under which load."""

    python: str
    system: str
    cpu_model: str
    app: str
    """`module:callable`."""
    path: str
    """Of the requests."""
    slow_path: str | None
    rate_rps: float
    workers: int
    repeats: int
    servers: Mapping[str, str]
    """The names of the installed servers, and their versions."""
    packages: Mapping[str, str]
    kept_out: tuple[str, ...] = ()
    """Names of variables and files that would have configured servers, and had no effect."""


@dataclass(frozen=True)
class DrillRun:
    """`drill.json`."""

    schema: int
    id: str
    started_at: str
    argv: tuple[str, ...]
    setting: Setting
    drills: tuple[DrillInfo, ...]
    results: tuple[Entry, ...]
    whole: bool = True
    """False if the run was interrupted, and repetitions are missing."""

    @property
    def servers(self) -> list[str]:
        """In the order in which they were named."""
        return list(dict.fromkeys(entry.server for entry in self.results))

    def entry(self, drill: str, server: str) -> Entry | None:
        return next((each for each in self.results if (each.drill, each.server) == (drill, server)), None)
