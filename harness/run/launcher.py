"""Starts the servers of a run, one configuration at a time, and records how each came and went."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.host import process, sampler
from harness.model.errors import ServerError
from harness.model.results import ServerStart
from harness.model.targets import HOST, Launch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model.machine import Placement
    from harness.model.plan import Selection, ServerConfig
    from harness.model.targets import Tls
    from harness.run.journal import Journal


@dataclass(frozen=True)
class Started:
    """A server that answers, and what it was started with."""

    config: ServerConfig
    launch: Launch
    running: process.Running

    @property
    def url(self) -> str:
        """Where it answers: `https://127.0.0.1:20001`."""
        return f"{'https' if self.config.tls else 'http'}://{self.launch.address}"


class Launcher:
    """Starts what a selection names, always on the same CPUs."""

    def __init__(self, selection: Selection, placement: Placement, token: str, tls: Tls, journal: Journal) -> None:
        self._servers = {entry.name: entry for entry in selection.servers}
        self._apps = {entry.name: entry for entry in selection.apps}
        self._selection = selection
        self._placement = placement
        self._token = token
        self._tls = tls
        self._journal = journal

    @contextmanager
    def started(self, config: ServerConfig, number: int) -> Iterator[Started]:
        """A server for as long as the block lasts; its start is recorded when the block ends, or when it fails.

        Raises `ServerError` when it does not come to a right answer.
        """
        entry, app = self._servers[config.server], self._apps[config.app]
        target = entry.target(app)
        assert target is not None  # noqa: S101 - else the plan has excluded it
        python = entry.python or self._selection.python
        tls = self._tls if config.tls else None
        launch = Launch(HOST, process.free_port(HOST), target, config.workers, tls, python)
        log = self._journal.directory.logs / self._name_log(config)
        self._journal.starts += 1
        start = ServerStart(config, number, tuple(entry.command(launch)), log=log.name)
        try:
            running = process.start(
                entry,
                app,
                launch,
                cpus=self._placement.server,
                log=log,
                token=self._token,
                deadline_s=self._selection.ready_within_s,
            )
        except ServerError:
            self._journal.write_start(start)
            raise
        idle_pss_bytes = None
        try:
            idle_pss_bytes = sampler.tree_pss_bytes(running.pid)
            yield Started(config, launch, running)
        finally:
            ended, stopped = running.ended, running.stop()
            self._journal.write_start(
                replace(
                    start,
                    ready_s=running.ready_s,
                    first_request_s=running.first_request_s,
                    active=running.active,
                    stop_s=stopped.stop_s,
                    killed=stopped.killed,
                    idle_pss_bytes=idle_pss_bytes,
                    ended=ended,
                )
            )

    def _name_log(self, config: ServerConfig) -> str:
        control = "-control" if config.control else ""
        return f"{self._journal.starts:04}-{config.server}{control}-{'tls' if config.tls else 'clear'}.log"
