"""One server with one app, as an experiment finds it: to be started, put under load, signalled and watched."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psutil
from packaging.requirements import Requirement

from harness.drill.crowd import holding
from harness.drill.load import sending
from harness.drill.model import NotApplicable, Requests
from harness.host import process
from harness.host.supervised import Supervised
from harness.model.targets import HOST, App, Launch, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.drill.crowd import Connections, Crowd
    from harness.drill.load import Traffic

LIMIT_S = 40.0
"""What a server has not done by then it does not do; gunicorn waits for up to 30 s."""
SETTLE_S = 1.0
"""Load before something is done to the server, and after it is as it was."""
USERS, SECONDS = 32, 3
"""A closed loop of so many users finds a capacity: the best of so many seconds, since a busy moment of the machine
makes it too small, and nothing too large."""
SLOW_RPS = 10.0
"""Slow requests that are due in a second: about as many are in flight at any moment as one takes tenths of seconds."""


@dataclass(frozen=True)
class Site:
    """A server that experiments start, and what they start it with."""

    server: Server
    app: App
    python: str
    cpus: frozenset[int]
    token: str
    """Marks the processes, so that none is left behind."""
    folder: Path
    """For logs."""
    workers: int
    """Worker processes that were asked for."""
    rate_rps: float
    """Requests per second, well below what the server can do."""
    path: str
    """Of ordinary requests."""
    status: int | None = None
    """Of their right answer; None means that of the first."""
    slow_path: str | None = None
    """Of requests that take about a second; None if none is known."""
    large_path: str | None = None
    """Of requests with a large answer; None means `path`."""
    upload_path: str | None = None
    """Of requests with a body, by POST; None means `path`."""
    websocket_path: str | None = None
    """Of a WebSocket that stays open; None if none is known."""
    busy_path: str | None = None
    """Of requests that keep the server busy; None means `path`."""
    ready_within_s: float | None = None
    argv: list[tuple[str, ...]] = field(default_factory=list)
    """The command lines of the servers that were started."""
    traffic: list[Traffic] = field(default_factory=list)
    """All load that was sent."""

    @property
    def family(self) -> str:
        """The distribution that the server comes from: `gunicorn` for gunicorn-uvicorn too; else the server's name."""
        return Requirement(self.server.requires[0]).name if self.server.requires else self.server.name

    @property
    def most_workers(self) -> int:
        """As many workers as were asked for, or as the server can have."""
        return min(self.workers, self.server.max_workers or self.workers)

    def demand_workers(self) -> int:
        """The number of workers, at least two; raises `NotApplicable` for a server that has no worker processes."""
        if self.most_workers < 2:  # noqa: PLR2004 - the drill needs one that is left
            raise NotApplicable("no worker processes" if self.server.max_workers == 1 else "needs --workers 2 or more")
        return self.most_workers

    @property
    def requests(self) -> Requests:
        """Ordinary requests."""
        body = self.app.ready_body if self.path == self.app.ready_path else None
        text = None if body is None else body.decode("latin-1")
        return Requests("requests", self.path, self.rate_rps, self.status, text, self.app.headers)

    @property
    def slow_requests(self) -> Requests | None:
        """Requests that take long; None if the app has none that are known.

        WSGI servers get none: with a few workers or threads that serve one request each they would be overloaded.
        """
        if self.slow_path is None or self.server.interface == "wsgi":
            return None
        return replace(self.requests, name="slow requests", path=self.slow_path, rate_rps=SLOW_RPS, body=None)

    @property
    def mixed_requests(self) -> list[Requests]:
        """Ordinary requests, and slow ones if there are any."""
        return [self.requests, *([self.slow_requests] if self.slow_requests else [])]

    @property
    def settle_s(self) -> float:
        """Load before something is done to the server: as long as the slowest request, and longer."""
        return SETTLE_S + (1.0 if self.slow_requests else 0.0)

    def head(self, path: str, *lines: str, method: str = "GET") -> bytes:
        """The head of a request with the app's headers and these lines, up to the empty line."""
        own = (f"{name}: {value}" for name, value in self.app.headers)
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *own, *lines, "", ""]).encode("latin-1")

    @contextmanager
    def serving(self, *options: str, workers: int = 1) -> Iterator[Served]:
        """A running server with further options, stopped at the end of the block.

        Raises `ServerError` if it does not start, and `NotApplicable` if it cannot serve the app.
        """
        target = self.server.target(self.app)
        if target is None:
            raise NotApplicable(f"{self.server.name} serves WSGI, and {self.app.name} has no WSGI callable")
        if "h1" not in self.server.protocols:
            raise NotApplicable(f"{self.server.name} does not speak h1, over which drills send their requests")
        launch = process.make_launch(self.server, target, workers, python=self.python)
        server = replace(self.server, command=lambda launch: [*self.server.command(launch), *options])
        self.argv.append(tuple(server.command(launch)))
        log = self.folder / f"{len(self.argv):04}-{self.server.name}.log"
        with process.start(
            server, self.app, launch, cpus=self.cpus, log=log, token=self.token, deadline_s=self.ready_within_s
        ) as running:
            yield Served(running, launch, self)


class Served(Supervised):
    """A running server that experiments put under load."""

    def __init__(self, running: process.Running, launch: Launch, site: Site) -> None:
        super().__init__(running, site.app, launch)
        self._site = site

    @contextmanager
    def load(self, *requests: Requests) -> Iterator[Traffic]:
        """Steady open load for as long as the block lasts, the site's ordinary requests if none are given."""
        with sending(self.launch, requests or (self._site.requests,), self._site.token) as traffic:
            self._site.traffic.append(traffic)
            yield traffic

    def measure_capacity_rps(self, requests: Requests) -> float:
        """Right answers a second in a closed loop; raises `NotApplicable` where there are none."""
        with self.load(replace(requests, users=USERS)) as traffic:
            time.sleep(SETTLE_S)
            since_ns = time.monotonic_ns()
            time.sleep(SECONDS)
        ended_ns = (each.ended_ns for each in traffic.exchanges if each.end == "right")
        right = Counter((at_ns - since_ns) // 1_000_000_000 for at_ns in ended_ns)
        capacity_rps = max(right[number] for number in range(SECONDS))
        if capacity_rps == 0:
            raise NotApplicable("no right answer in a closed loop")
        return float(capacity_rps)

    @contextmanager
    def hold(self, connections: Connections) -> Iterator[Crowd]:
        """Connections that are open for as long as the block lasts."""
        with holding(self.launch, connections, self._site.token) as crowd:
            yield crowd

    def all_workers(self) -> set[int]:
        """The processes that take connections; raises `NotApplicable` if fewer are found than were asked for."""
        workers = self.find_workers()
        if workers is None:
            raise NotApplicable("its workers cannot be told apart")
        return workers

    def busiest_worker(self) -> int:
        """The worker with the most connections."""
        return max(self.all_workers(), key=lambda pid: len(psutil.Process(pid).net_connections("tcp")))
