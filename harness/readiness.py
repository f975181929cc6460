"""Is a server ready? Asked of the server itself, over the wire: no log line and no pause says so reliably."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import TYPE_CHECKING

from harness.findings import Active

if TYPE_CHECKING:
    from harness.model import App, Launch

_LAST_WAIT_S = 1.0
"""An answer that is asked for just before the deadline is given this time: what it is tells more than a time-out."""

_MOST_AT_ONCE = 64
"""Fewer than fit the queues of connections not yet accepted: hypercorn's is 100 long."""


class Readiness:
    """What is still missing until a server is ready; it remembers the workers that have answered.

    `deadline` is a moment of `perf_counter`, beyond which no question waits, unless for an instant.
    """

    def __init__(self, app: App, launch: Launch, deadline: float) -> None:
        self._app = app
        self._launch = launch
        self.deadline = deadline
        self._workers = launch.workers if app.counts_workers else 1
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
                return f"the answer {body[:80]!r}"
            if self._workers > 1:
                self._seen |= self._answering(requests=min(4 * self._workers, _MOST_AT_ONCE))
                if len(self._seen) < self._workers:
                    return f"answers of {len(self._seen)} of {self._workers} workers"
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def active(self) -> Active | None:
        """What the app says it is run with; None for one that does not tell."""
        if not self._app.counts_workers:
            return None
        try:
            told = json.loads(self._get("/scope"))
            return Active(told.get("loop"), tuple(told.get("modules", ())))
        except (OSError, HTTPException, ValueError, AttributeError, TypeError):
            return None

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
            connection.request("GET", path)
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
