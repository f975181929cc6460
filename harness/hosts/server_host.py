"""Where servers run: on this machine, or elsewhere. What a run asks of a server host is the same everywhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

from harness.host import facts, process
from harness.model.targets import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.host.server_processes import Stopped
    from harness.hosts.link import LiveLink
    from harness.model.machine import Machine
    from harness.model.records import Active, Sample
    from harness.model.targets import App, Launch, RunsAt, Server, Tls


class Samples(Protocol):
    """What was sampled of a server's process tree; complete at the end of its block."""

    @property
    def samples(self) -> Sequence[Sample]:
        """Times are on the clock of this process, wherever the server runs."""

    @property
    def ended_workers(self) -> tuple[int, ...]: ...

    @property
    def new_workers(self) -> int: ...


class RunningServer(Protocol):
    """A server that is ready, wherever it runs; `host.process.Running` is the one of this machine."""

    argv: tuple[str, ...]
    log: Path
    """Its log, or what is known here of it."""
    ready_s: float
    active: Active | None

    @property
    def first_request_s(self) -> float | None: ...

    @property
    def watched(self) -> RunsAt | int:
        """What tells its processes from those of others."""

    @property
    def ended(self) -> str | None:
        """How it ended, such as `exit status 1`; None while it runs."""

    def sample(self) -> AbstractContextManager[Samples]:
        """Sample its process tree during the block."""

    def memory_bytes(self) -> int | None:
        """Memory of its process tree now; None where it is not known."""

    def stop(self) -> Stopped:
        """End every process of it; a second call changes nothing and returns the same."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class ServerHost(Protocol):
    """Where servers run. `token` is that of the guard of the run."""

    address: str
    """The address that servers bind to, and that load is sent to."""
    cpus: frozenset[int]
    """Those that servers get."""
    python: str
    """The interpreter there that has the harness."""
    link: LiveLink | None
    """What is between it and the load; None for the loopback."""

    def make_launch(self, server: Server, target: str, workers: int, tls: Tls | None, python: str, /) -> Launch:
        """What a server is started with, with a port that is free there."""

    def start(
        self, server: Server, app: App, launch: Launch, *, log: Path, token: str, deadline_s: float | None = None
    ) -> RunningServer:
        """Start a server and wait until it gives the right answer here; raises `ServerError`."""

    def read_machine(self, look_s: float) -> Machine:
        """Read the facts about it; this takes `look_s` seconds."""


class LocalHost:
    """The machine of the harness."""

    python = sys.executable

    def __init__(self, cpus: frozenset[int], address: str = HOST, link: LiveLink | None = None) -> None:
        self.address = address
        self.link = link
        self.cpus = cpus

    def make_launch(self, server: Server, target: str, workers: int, tls: Tls | None, python: str) -> Launch:
        return process.make_launch(server, target, workers, tls, python, self.address)

    def start(
        self, server: Server, app: App, launch: Launch, *, log: Path, token: str, deadline_s: float | None = None
    ) -> RunningServer:
        return process.start(server, app, launch, cpus=self.cpus, log=log, token=token, deadline_s=deadline_s)

    def read_machine(self, look_s: float) -> Machine:
        return facts.read_machine(look_s=look_s)
