"""Starts the servers of a block, and records how each came and went."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.host import logs
from harness.model.errors import ServerError
from harness.model.plan import REFERENCE_APP
from harness.model.records import ServerStart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from harness.hosts.server_host import RunningServer, ServerHost
    from harness.model.plan import Selection, ServerConfig
    from harness.model.targets import App, Launch, Server, Tls
    from harness.run.journal import Journal


@dataclass(frozen=True)
class Started:
    """A server that answers, and what it was started with."""

    config: ServerConfig
    launch: Launch
    running: RunningServer

    @property
    def url(self) -> str:
        """Where it answers: `https://127.0.0.1:20001`."""
        return f"{'https' if self.config.tls else 'http'}://{self.launch.address}{self.launch.prefix}"


class Launcher:
    """Starts what a selection names, always on the same host."""

    def __init__(self, selection: Selection, host: ServerHost, token: str, tls: Tls, journal: Journal) -> None:
        self._servers = {entry.name: entry for entry in selection.servers}
        self._apps = {entry.name: entry for entry in selection.every_app}
        self._selection = selection
        self._host = host
        self._token = token
        self._tls = tls
        self._journal = journal

    @contextmanager
    def started(self, config: ServerConfig, number: int) -> Iterator[Started]:
        """A server for as long as the block lasts; its start is recorded when the block ends, or when it fails.

        Raises `ServerError` when it does not come to a right answer.
        """
        entry, app = self._servers[config.server], self._find_app(config)
        launch = self._make_launch(entry, app, config)
        log = self._journal.directory.logs / self._name_log(config)
        self._journal.starts += 1
        start = ServerStart(config, number, () if entry.runs_at else tuple(entry.command(launch)), log=log.name)
        try:
            running = self._host.start(
                entry, app, launch, log=log, token=self._token, deadline_s=self._selection.ready_within_s
            )
        except ServerError:
            self._journal.write_start(start)
            raise
        idle_memory_bytes = None
        try:
            idle_memory_bytes = running.memory_bytes()
            yield Started(config, launch, running)
        finally:
            ended, stopped = running.ended, running.stop()
            self._journal.write_start(
                replace(
                    start,
                    ready_s=None if entry.runs_at else running.ready_s,
                    first_request_s=running.first_request_s,
                    active=running.active,
                    stop_s=stopped.stop_s,
                    killed=stopped.killed,
                    idle_memory_bytes=idle_memory_bytes,
                    ended=ended,
                )
            )

    @contextmanager
    def run_together(self, configs: Iterable[ServerConfig], number: int) -> Iterator[Together]:
        """Servers of a block for as long as it lasts, started one after the other and stopped at the same time.

        One that does not start is missing, with the reason.
        """
        together = Together(self, number)
        try:
            for config in configs:
                together.start(config)
            yield together
        finally:
            together.stop()

    def _find_app(self, config: ServerConfig) -> App:
        app = self._apps[config.app]
        if config.app == REFERENCE_APP and self._servers[config.server].template:
            # The files that a command names lie where the app does that is measured.
            return replace(app, runs_in=self._selection.apps[0].working_directory)
        return app

    def _make_launch(self, entry: Server, app: App, config: ServerConfig) -> Launch:
        target = entry.target(app)
        assert target is not None  # noqa: S101 - else the plan has excluded it
        tls = self._tls if config.tls else None
        return self._host.make_launch(entry, target, config.workers, tls, app.python or self._selection.python)

    def _name_log(self, config: ServerConfig) -> str:
        control = "-control" if config.control else ""
        return f"{self._journal.starts:04}-{config.server}{control}-{'tls' if config.tls else 'clear'}.log"


class Together:
    """The servers of a block that run at the same time."""

    def __init__(self, launcher: Launcher, number: int) -> None:
        self.started: dict[ServerConfig, Started] = {}
        self.failures: dict[ServerConfig, ServerError] = {}
        self._launcher = launcher
        self._number = number
        self._open: dict[ServerConfig, AbstractContextManager[Started]] = {}

    def start(self, config: ServerConfig) -> None:
        """Start a server; why one did not start is kept in `failures`."""
        opened = self._launcher.started(config, self._number)
        try:
            self.started[config] = opened.__enter__()
        except ServerError as error:
            self.failures[config] = self._explain(config, error)
        else:
            self._open[config] = opened

    def _explain(self, config: ServerConfig, error: ServerError) -> ServerError:
        """An app that cannot run twice (a port, a lock file, a licence of its own) fails beside its first server."""
        same_app = [each for each in self.started if each.app == config.app]
        if not same_app:
            return error
        beside = ", ".join(each.server for each in same_app)
        hint = f"{error}; it was started beside {beside}: use --together 1 if the app cannot run twice"
        return ServerError(hint, error.log_tail, error.ended)

    def restart_ended(self) -> None:
        """Start again what has ended by itself since it was started; a second time it stays away."""
        for config, started in list(self.started.items()):
            if started.running.ended is None:
                continue
            ended = started.running.ended
            self._open.pop(config).__exit__(None, None, None)
            del self.started[config]
            if config in self.failures:
                continue
            self.start(config)
            if config in self.started:
                found = f"found that it ended with {ended}{logs.quote_reason(started.running.log)}"
                text = f"{config.server}: expected it to keep running, {found}"
                self.failures[config] = ServerError(text, logs.tail(started.running.log))

    def stop(self) -> None:
        """Stop all servers at the same time."""
        with ThreadPoolExecutor(max(1, len(self._open))) as pool:
            list(pool.map(lambda opened: opened.__exit__(None, None, None), self._open.values()))
        self._open.clear()
