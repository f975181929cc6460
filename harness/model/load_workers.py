"""Load workers: Locust's workers on other hosts, which take the place of load processes of this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadWorker:
    """A load worker as it describes itself."""

    name: str
    """Its host and a random number: `gen1-3f9c02`. Containers may have one host name, and processes of equal ids."""
    host: str
    harness: str
    """Version of the harness, with a digest of the load engine."""
    locust: str
    python: str
    cpus: int
    """How many CPUs it may use."""
    cpu_model: str = "unknown"
    kernel: str = "unknown"


@dataclass(frozen=True)
class WantedWorkers:
    """The load workers that a run waits for."""

    count: int
    host: str
    """The address that the master listens on."""
    port: int
    allow_missing: bool = False
    """Does the run go on with those that are left?"""

    @property
    def master(self) -> str:
        """What load workers are told: `10.0.0.1:5557`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class WorkersOrder:
    """What the master of one measurement knows about its load workers, and what it gives each of them."""

    count: int
    """The most that take part."""
    expected: tuple[str, ...]
    """Names of those that are waited for: all that took part before, or none if nobody knows them yet."""
    least: int
    """With fewer than this many there is no measurement."""
    wait_s: float
    """How long they are waited for."""
    argv: tuple[str, ...]
    """Options of Locust."""
    environment: Mapping[str, str]
    """Variables for the Locust file."""
    files: Mapping[str, bytes]
    """The Locust file, which is the first, and what lies beside it, by path: each worker has them in a folder."""


@dataclass(frozen=True)
class LoadFailure:
    """Why a measurement has no result."""

    reason: str
    lost: Mapping[str, str]
    """Load workers that are missing, or were lost, by name: what happened to each."""
    too_few: bool = False
    """Were there too few load workers to begin?"""
