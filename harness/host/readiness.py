"""Is a server ready? Asked of the server itself, over the wire: no log line and no pause says so reliably."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.results import Active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.model.targets import App, Launch

_LAST_WAIT_S = 1.0
"""An answer that is asked for just before the deadline is given this time: what it is tells more than a time-out."""

_MOST_AT_ONCE = 64
"""Fewer than fit the queues of connections not yet accepted: hypercorn's is 100 long."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING = "0A"
_WATCHED = re.compile(r"^tfd:.* ino:([0-9a-f]+)", re.MULTILINE)
"""A file that an epoll instance watches, in `/proc/PID/fdinfo/FD` (proc_pid_fdinfo(5)): its inode."""


class Readiness:
    """What is still missing until a server is ready; it remembers the workers that have answered.

    `deadline` is a moment of `perf_counter`, beyond which no question waits, unless for an instant; `processes` gives
    those that the server has just now.
    """

    def __init__(self, app: App, launch: Launch, deadline: float, processes: Callable[[], set[int]]) -> None:
        self._app = app
        self._launch = launch
        self.deadline = deadline
        self._processes = processes
        self._seen: set[int] = set()
        self.first_request_s: float | None = None
        """How long the first answer took, from connecting; None before there was one."""
        self._tls: ssl.SSLContext | None = None
        if launch.tls is not None:
            self._tls = ssl.create_default_context(cafile=str(launch.tls.authority))
            self._tls.set_alpn_protocols(["http/1.1"])

    def missing(self) -> str | None:
        """Ask once; None when ready, else what was found instead, in words."""
        try:
            began = time.perf_counter()
            body = self._get(self._app.ready_path)
            self.first_request_s = self.first_request_s or time.perf_counter() - began
            if self._app.ready_body is not None and body != self._app.ready_body:
                return f"the wrong answer {body[:80]!r}"
            return self._missing_workers() if self._launch.workers > 1 else None
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            return _words(error)

    def active(self) -> Active | None:
        """What the app says it is run with; None for one that does not tell."""
        if not self._app.counts_workers:
            return None
        try:
            told = json.loads(self._get("/scope"))
            return Active(told.get("loop"), tuple(told.get("modules", ())))
        except (OSError, HTTPException, ValueError, AttributeError, TypeError):
            return None

    def _missing_workers(self) -> str | None:
        """As `missing`, of the workers: those that the app has named, else those that wait for connections.

        Where nobody is seen to wait, not even who has answered, the server does without epoll, and its workers cannot
        be told.
        """
        workers = self._launch.workers
        if not self._app.counts_workers:
            listening = set(_listening(self._launch.port))
            waiting = [pid for pid in self._processes() if _waits(pid, listening)]
            return f"{len(waiting)} of {workers} workers that take connections" if 0 < len(waiting) < workers else None
        self._seen |= self._answering(requests=min(4 * workers, _MOST_AT_ONCE))
        return f"answers of {len(self._seen)} of {workers} workers" if len(self._seen) < workers else None

    def _answering(self, requests: int) -> set[int]:
        """The processes that answer requests sent at once; of requests one by one, one worker may take every one."""
        with ThreadPoolExecutor(requests) as pool:
            return {int(json.loads(scope)["pid"]) for scope in pool.map(self._get, ["/scope"] * requests)}

    def _get(self, path: str) -> bytes:
        """The whole body of an answer, whatever its status, on a connection of its own."""
        now = time.perf_counter()
        until = max(self.deadline, now + _LAST_WAIT_S)
        host, port = self._launch.host, self._launch.port
        if self._tls is None:
            connection = HTTPConnection(host, port, timeout=until - now)
        else:
            connection = HTTPSConnection(host, port, timeout=until - now, context=self._tls)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=dict(self._app.headers))
            return _body(connection.getresponse(), until)


def _body(answer: HTTPResponse, until: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1():
        body += chunk
        if time.perf_counter() >= until:
            raise TimeoutError("an answer that does not end")
    if answer.length:  # what read() would tell, and read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    return bytes(body)


def _waits(pid: int, listening: set[int]) -> bool:
    """Does the process wait, by epoll, for connections to one of the sockets? A worker does once it has loaded the app.

    That it has the socket open says less: a worker inherits it, and its parent, which takes no connection, keeps it.
    """
    try:
        files = list(Path(f"/proc/{pid}/fdinfo").iterdir())
        return any(int(inode, 16) in listening for file in files for inode in _WATCHED.findall(file.read_text()))
    except OSError:
        return False  # it has ended, or closed a file between the two looks


def _listening(port: int) -> Iterator[int]:
    """Inodes of the sockets that listen on the port, of whatever address."""
    for table in filter(Path.exists, _TABLES):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield int(inode)


def _words(error: Exception) -> str:
    """What stands in the place of an answer."""
    match error:
        case ConnectionRefusedError():
            return "that nothing listens yet"
        case ConnectionResetError():
            return "a connection that was closed without an answer"
        case IncompleteRead():
            return f"an answer that was cut off after {len(error.partial)} bytes"
        case TimeoutError():
            return "no answer" if "timed out" in str(error) else str(error)
    return f"{type(error).__name__}: {error}"
