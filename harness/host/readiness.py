"""Is a server ready? It is sent requests to find out, since neither a log line nor a pause is reliable."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.sockets import OWN, list_listeners
from harness.model.records import Active

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.host.sockets import Network
    from harness.model.targets import App, Launch

_LAST_WAIT_S = 1.0
"""A request sent just before the deadline gets this much time: its answer says more than a timeout would."""

_MOST_AT_ONCE = 64
"""This many connections fit into the queues of those not yet accepted: hypercorn's has room for 100."""

_NOT_YET = {
    HTTPStatus.BAD_GATEWAY: ", as from a proxy without its server",
    HTTPStatus.SERVICE_UNAVAILABLE: "",
    HTTPStatus.GATEWAY_TIMEOUT: ", as from a proxy without its server",
}
"""Answers that mean "not yet": of a proxy whose server does not answer, of an app that gets ready (RFC 9110 §15.6)."""
_WATCHED = re.compile(r"^tfd:.* ino:([0-9a-f]+)", re.MULTILINE)
"""The inode of a file that an epoll instance watches, in `/proc/PID/fdinfo/FD` (proc_pid_fdinfo(5))."""


class Readiness:
    """Checks whether a server is ready, and remembers the workers that have answered.

    `deadline` is a time of `perf_counter`, after which no request waits for longer than `_LAST_WAIT_S`; `processes`
    returns the server's processes at the moment of the call.
    """

    def __init__(
        self, app: App, launch: Launch, deadline: float, processes: Callable[[], set[int]], network: Network = OWN
    ) -> None:
        self._app = app
        self._launch = launch
        self.deadline = deadline
        self._processes = processes
        self._network = network
        self._seen: set[int] = set()
        self.first_request_s: float | None = None
        """Time from connecting to the end of the first answer; None before that."""
        self._tls: ssl.SSLContext | None = None
        if launch.tls is not None:
            self._tls = ssl.create_default_context(cafile=str(launch.tls.authority))
            self._tls.set_alpn_protocols(["http/1.1"])

    def missing(self) -> str | None:
        """Send one request; None if the server is ready, else what was found instead, for an error message."""
        try:
            began = time.perf_counter()
            body = self._get(self._app.ready_path)
            self.first_request_s = self.first_request_s or time.perf_counter() - began
            if self._app.ready_body is not None and body != self._app.ready_body:
                return f"the wrong answer {body[:80]!r}"
            return self._missing_workers() if self._launch.workers > 1 else None
        except ssl.SSLCertVerificationError as error:
            return f"a certificate that is not trusted ({error.verify_message}); trust it by ca in [servers.NAME]"
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            return _describe(error)

    def workers(self) -> set[int]:
        """The processes that answer now, or wait for connections if the app does not name them; not always all."""
        if not self._app.counts_workers:
            return self.waiting_pids()
        try:
            return self._answering_pids(requests=min(4 * self._launch.workers, _MOST_AT_ONCE))
        except (OSError, HTTPException, ValueError, LookupError, TypeError):
            return set()

    def active(self) -> Active | None:
        """The event loop and the modules that the app reports; None if it does not report them."""
        if not self._app.counts_workers:
            return None
        try:
            reported = json.loads(self._get("/scope"))
            return Active(reported.get("loop"), tuple(reported.get("modules", ())))
        except (OSError, HTTPException, ValueError, AttributeError, TypeError):
            return None

    def _missing_workers(self) -> str | None:
        """As `missing`, for the workers: those that the app has named, else those that wait for connections.

        If no process is seen to wait, not even the one that has just answered, the server does not use epoll, and its
        workers cannot be counted.
        """
        workers = self._launch.workers
        if not self._app.counts_workers:
            waiting = self.waiting_pids()
            return f"{len(waiting)} of {workers} workers that take connections" if 0 < len(waiting) < workers else None
        self._seen |= self._answering_pids(requests=min(4 * workers, _MOST_AT_ONCE))
        return f"answers of {len(self._seen)} of {workers} workers" if len(self._seen) < workers else None

    def waiting_pids(self) -> set[int]:
        """The processes that wait for connections with epoll."""
        listening = {each.inode for each in list_listeners(self._network) if each.port == self._launch.port}
        return {pid for pid in self._processes() if _accepts_connections(pid, listening)}

    def _answering_pids(self, requests: int) -> set[int]:
        """The processes that answer concurrent requests; sequential ones might all go to one worker."""
        with ThreadPoolExecutor(requests) as pool:
            return {int(json.loads(scope)["pid"]) for scope in pool.map(self._get, ["/scope"] * requests)}

    def _get(self, path: str) -> bytes:
        """The complete body of the answer to one request on a new connection, whatever its status."""
        now = time.perf_counter()
        until = max(self.deadline, now + _LAST_WAIT_S)
        host, port = self._launch.host, self._launch.port
        if self._tls is None:
            connection = HTTPConnection(host, port, timeout=until - now)
        else:
            connection = HTTPSConnection(host, port, timeout=until - now, context=self._tls)
        with contextlib.closing(connection):
            connection.request("GET", self._launch.prefix + path, headers=dict(self._app.headers))
            answer = connection.getresponse()
            if answer.status in _NOT_YET:
                raise _NotYetError(f"{answer.status} {answer.reason}{_NOT_YET[HTTPStatus(answer.status)]}")
            return _read_body(answer, until)


class _NotYetError(HTTPException):
    """An answer that means that the server is not ready yet."""


def _read_body(answer: HTTPResponse, until: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1():
        body += chunk
        if time.perf_counter() >= until:
            raise TimeoutError("an answer that does not end")
    if answer.length:  # read() would raise this error itself, read1() does not
        raise IncompleteRead(bytes(body), answer.length)
    return bytes(body)


def _accepts_connections(pid: int, listening: set[int]) -> bool:
    """Does the process wait, with epoll, for connections to one of the sockets? A worker does once it has the app.

    An open socket is not enough: a worker inherits it before it loads the app, and the parent, which accepts no
    connections, keeps it open.
    """
    try:
        files = list(Path(f"/proc/{pid}/fdinfo").iterdir())
        return any(int(inode, 16) in listening for file in files for inode in _WATCHED.findall(file.read_text()))
    except OSError:
        return False  # the process has ended, or has closed a file since the folder was listed


def _describe(error: Exception) -> str:
    """What was found instead of an answer, for an error message."""
    match error:
        case ConnectionRefusedError():
            return "that nothing listens yet"
        case ConnectionResetError():
            return "a connection that was closed without an answer"
        case _NotYetError():
            return str(error)
        case IncompleteRead():
            return f"an answer that was cut off after {len(error.partial)} bytes"
        case TimeoutError():
            return "no answer" if "timed out" in str(error) else str(error)
    return f"{type(error).__name__}: {error}"
