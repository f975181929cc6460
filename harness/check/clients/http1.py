"""One HTTP/1.1 connection seen from the client: raw bytes are sent, and responses are parsed strictly.

It shares no code with the load engine, so that a bug in one is not hidden by the same bug in the other.
"""

from __future__ import annotations

import re
import select
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.check.clients.connection import Connection, Cut, Silent
from harness.check.clients.transcript import shown
from harness.check.target import new_marker, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.check.target import Target

MAX_HEAD_BYTES = 65_536
PIECE_BYTES = 16_384
READ_S = 1.0
"""A server that has not read a piece by then gets the next one, and may refuse both."""
_SOCKETS = Path("/proc/net/tcp")
"""Linux: each socket of the machine with the bytes in its two queues, `tx_queue:rx_queue` (proc(5))."""

_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;.*)?")
_BODILESS = (204, 304)


@dataclass
class Response:
    """A response; `body` and `trailers` are complete once `Http1.response` has returned it."""

    version: bytes
    status: int
    fields: list[tuple[bytes, bytes]]
    """Names in lower case."""
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    """The statuses below 200 that came before it."""

    def all(self, name: bytes) -> list[bytes]:
        """The values of the header, in order."""
        return [value for found, value in self.fields if found == name]

    def one(self, name: bytes) -> bytes | None:
        """The first value of the header."""
        values = self.all(name)
        return values[0] if values else None

    @property
    def chunked(self) -> bool:
        return b"chunked" in b",".join(self.all(b"transfer-encoding")).lower()

    @property
    def says_close(self) -> bool:
        return b"close" in b",".join(self.all(b"connection")).lower()

    def __str__(self) -> str:
        return f"{self.status} {self.body!r}"


class Http1(Connection):
    """A connection that sends raw bytes and parses the responses."""

    def __init__(self, target: Target, *, receive_buffer_bytes: int | None = None) -> None:
        super().__init__(target, receive_buffer_bytes=receive_buffer_bytes)
        self._data = bytearray()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; see `transmit`."""
        self.transcript.add_bytes("→", data)
        self.transmit(data)

    def send_until_answered(self, data: bytes, pause_s: float = 0) -> None:
        """Send in pieces, and stop as soon as the server answers, as it may do to refuse.

        Each piece is read by the server before the next is sent: what a server accepts may depend on how much arrives
        at once, and would otherwise differ from run to run.
        """
        self.transcript.add_bytes("→", data)
        self.socket.settimeout(self.timeout_s)
        sent = 0
        while sent < len(data) and not self.readable(pause_s):
            try:
                sent += self.socket.send(data[sent : sent + PIECE_BYTES])
                wait_for(lambda: self.readable(0) or not self._unread_bytes(), READ_S)
            except TimeoutError:
                raise self.fault(f"the server stopped reading after {sent:,} bytes", Silent) from None
            except (ConnectionError, ssl.SSLError):
                break

    def fetch(self, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> Response:
        """Send a well-formed request with these header lines, and return the response."""
        self.send(request(self.target, path, *lines, method=method, body=body))
        return self.response(method)

    def call_app(self, path: str) -> str:
        """Send a GET, wait until the app has been called with it, and return its marker.

        Raises `ProtocolFault` if the app is not called.
        """
        marker = new_marker()
        self.send(request(self.target, f"{path}?marker={marker}"))
        if self.target.await_event(marker, "http") is None:
            raise self.fault("expected the app to be called, found that it was not")
        return marker

    def readable(self, within_s: float) -> bool:
        """Does the server send anything within this time?"""
        return bool(self._data) or bool(select.select([self.socket], [], [], within_s)[0])

    def response(self, method: str = "GET") -> Response:
        """The next final response, complete; raises `Cut`, `Silent` or `ProtocolFault`."""
        found = self.head()
        for data in self.body(found, method):
            found.body += data
        return found

    def head(self) -> Response:
        """The head of the next final response, with the statuses of the interim ones before it."""
        interim: list[int] = []
        while True:
            found = self.next_head()
            if found.status >= 200:  # noqa: PLR2004 - final, RFC 9110 §15
                found.interim = interim
                return found
            interim.append(found.status)

    def next_head(self) -> Response:
        """The head of the next response, interim or final."""
        line = self._line("a status line")
        status = _STATUS.fullmatch(line)
        if status is None:
            raise self.fault(f"not a status line: {shown(line)}")
        return Response(status[1], int(status[2]), self._fields())

    def body(self, response: Response, method: str = "GET") -> Iterator[bytes]:
        """The body as it arrives; trailers are added to the response."""
        if method == "HEAD" or response.status in _BODILESS:
            return
        lengths = set(response.all(b"content-length"))
        if response.chunked:
            if lengths:
                raise self.fault("both Transfer-Encoding and Content-Length")
            yield from self._chunks(response)
        elif lengths:
            if len(lengths) > 1 or not (length := lengths.pop()).isdigit():
                raise self.fault("more than one Content-Length, or an invalid one")
            yield from self._exactly(int(length))
        else:
            while self._data or self._receive_more():
                yield self._take(len(self._data))
            if self.was_reset:  # RFC 9112 §8: complete unless the connection ended with an error
                raise self.fault("reset before the end of the connection could end the response", Cut)

    def await_close(self, within_s: float) -> bool:
        """Wait for the end of the connection; False if the server sends something or keeps it open."""
        self.work_until(lambda: bool(self._data), within_s)
        return self.closed and not self._data

    def more(self) -> bytes:
        """What is received next, unparsed, for a connection that goes on in another protocol; empty at its end."""
        if not self._data:
            self._receive_more()
        return self._take(len(self._data))

    def rest(self, within_s: float) -> bytes:
        """All that is received until the end of the connection or of this time."""
        self.work_until(lambda: False, within_s)
        return self._take(len(self._data))

    def _unread_bytes(self) -> int:
        """How many bytes lie between this client and the server, which reads them when it likes; 0 if nobody knows."""
        if not _SOCKETS.exists():
            return 0
        own, other = (f":{port:04X}" for port in (self.socket.getsockname()[1], self.target.port))
        queues = 0
        for line in _SOCKETS.read_text().splitlines()[1:]:
            _, local, remote, _, waiting, *_ = line.split()
            to_send, received = (int(size, 16) for size in waiting.split(":"))
            if local.endswith(own) and remote.endswith(other):
                queues += to_send
            elif local.endswith(other) and remote.endswith(own):
                queues += received
        return queues

    def _received(self, data: bytes) -> None:
        self.transcript.add_bytes("←", data)
        self._data += data

    def _receive_more(self) -> bool:
        """Wait for more bytes; False at the end of the connection."""
        before = len(self._data)
        if self.run_until(lambda: len(self._data) > before):
            return True
        if not self.closed:
            raise self.fault(f"no response within {self.timeout_s:g} s", Silent)
        return False

    def _chunks(self, response: Response) -> Iterator[bytes]:
        while True:
            line = self._line("a chunk size")
            size = _CHUNK.fullmatch(line)
            if size is None:
                raise self.fault(f"not a chunk size: {shown(line)}")
            if int(size[1], 16) == 0:
                response.trailers = self._fields()
                return
            yield from self._exactly(int(size[1], 16))
            if line := self._line("the end of a chunk"):
                raise self.fault(f"a chunk longer than its size: {shown(line)}")

    def _exactly(self, length: int) -> Iterator[bytes]:
        left = length
        while left:
            if not self._data and not self._receive_more():
                raise self.fault(f"cut off with {left:,} of {length:,} bytes missing", Cut)
            data = self._take(min(left, len(self._data)))
            left -= len(data)
            yield data

    def _fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while line := self._line("a header"):
            parts = _FIELD.fullmatch(line)
            if parts is None or any(octet in line for octet in b"\r\n\0"):
                raise self.fault(f"not a header: {shown(line)}")
            found.append((parts[1].lower(), parts[2]))
        return found

    def _line(self, what: str) -> bytes:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > MAX_HEAD_BYTES:
                raise self.fault(f"{what} without an end")
            if not self._receive_more():
                raise self.fault(f"closed before {what}", Cut)
        return self._take(end + 2)[:-2]

    def _take(self, length: int) -> bytes:
        data = bytes(self._data[:length])
        del self._data[:length]
        return data


def request(target: Target, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A well-formed request, with these header lines after the Host."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {target.authority}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
