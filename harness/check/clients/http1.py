"""One HTTP/1.1 connection seen from the client: raw bytes out, answers read strictly, and a story of both.

No line of it is shared with the load engine, so that a fault of one is not hidden by the same fault in the other.
"""

from __future__ import annotations

import re
import secrets
import select
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.check.model import ProtocolFault

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from harness.check.target import Target

MAX_HEAD_BYTES = 65_536
SHOWN_BYTES = 400
"""Of a run of bytes in one direction."""
READ_BYTES = 65_536

_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;.*)?")
_BODILESS = (204, 304)


class Cut(ProtocolFault):
    """The connection ended before the answer did."""


class Silent(ProtocolFault):
    """Nothing came within the time-out."""


@dataclass
class Answer:
    """A response; `body` and `trailers` are complete once `Wire.answer` has returned it."""

    version: bytes
    status: int
    fields: list[tuple[bytes, bytes]]
    """Names in lower case."""
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    """Statuses below 200 that came before it."""

    def all(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.fields if found == name]

    def one(self, name: bytes) -> bytes | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def chunked(self) -> bool:
        return b"chunked" in b",".join(self.all(b"transfer-encoding")).lower()

    @property
    def says_close(self) -> bool:
        return b"close" in b",".join(self.all(b"connection")).lower()


class Wire:
    """A connection of its own to the target."""

    def __init__(self, target: Target, *, receive_buffer_bytes: int | None = None) -> None:
        self.socket: socket.socket = target.connect(receive_buffer_bytes=receive_buffer_bytes)
        self._data = bytearray()
        self._over = False
        self._reset = False
        self._story: list[_Run] = []

    @property
    def story(self) -> str:
        """What went over the connection: → from the client, ← from the server, × its end, ! what else was done."""
        return "\n".join(map(str, self._story))

    @property
    def was_reset(self) -> bool:
        """Was its end a reset, which may have destroyed what was on its way?"""
        return self._reset

    def remark(self, words: str) -> None:
        """Something that was done beside the connection, for the story."""
        self._tell("!", words.encode())

    def send(self, data: bytes) -> None:
        """All of it; a server that closes its ears meanwhile is no fault yet, its answer tells."""
        self._tell("→", data)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Silent(f"the server stopped reading\n{self.story}") from None
        except (ConnectionError, ssl.SSLError):
            self._tell("×", b"closed while the client was sending")

    def send_until_answered(self, data: bytes, pause_s: float = 0) -> int:
        """Send in pieces until something comes back, as a refusal may; how many bytes went out."""
        self._tell("→", data)
        sent = 0
        while sent < len(data) and not self.readable(pause_s):
            try:
                sent += self.socket.send(data[sent : sent + 16_384])
            except TimeoutError:
                raise Silent(f"the server stopped reading after {sent:,} bytes\n{self.story}") from None
            except (ConnectionError, ssl.SSLError):
                break
        return sent

    def readable(self, within_s: float) -> bool:
        return bool(self._data) or bool(select.select([self.socket], [], [], within_s)[0])

    def answer(self, method: str = "GET") -> Answer:
        """The next final answer, whole; raises `Cut`, `Silent` or `ProtocolFault` with the story."""
        found = self.head()
        for data in self.body(found, method):
            found.body += data
        return found

    def head(self) -> Answer:
        """Its head, and the interim ones before it."""
        interim: list[int] = []
        while True:
            found = self.interim_or_final()
            if found.status >= 200:  # noqa: PLR2004 - final, RFC 9110 §15
                found.interim = interim
                return found
            interim.append(found.status)

    def interim_or_final(self) -> Answer:
        """The next head of either kind."""
        line = self._line("a status line")
        status = _STATUS.fullmatch(line)
        if status is None:
            raise ProtocolFault(f"not a status line: {shown(line)}\n{self.story}")
        return Answer(status[1], int(status[2]), self._fields())

    def body(self, answer: Answer, method: str = "GET") -> Iterator[bytes]:
        """The body as it arrives; trailers go into the answer."""
        if method == "HEAD" or answer.status in _BODILESS:
            return
        lengths = set(answer.all(b"content-length"))
        if answer.chunked:
            if lengths:
                raise ProtocolFault(f"both Transfer-Encoding and Content-Length\n{self.story}")
            yield from self._chunks(answer)
        elif lengths:
            if len(lengths) > 1 or not (length := lengths.pop()).isdigit():
                raise ProtocolFault(f"no one Content-Length\n{self.story}")
            yield from self._exactly(int(length))
        else:
            while self._data or self._receive():
                yield self._take(len(self._data))
            if self._reset:  # RFC 9112 §8: complete unless the connection has told of an error
                raise Cut(f"reset before the end of the connection could end the answer\n{self.story}")

    def closed(self, within_s: float) -> bool:
        """Has the server ended the connection, with nothing more to say? Waits for it."""
        deadline = time.monotonic() + within_s
        while not self._over and not self._data and (left_s := deadline - time.monotonic()) > 0:
            self._receive_within(left_s)
        return self._over and not self._data

    def rest(self, within_s: float) -> bytes:
        """Whatever else comes until the end, or until this time is over."""
        deadline = time.monotonic() + within_s
        while not self._over and (left_s := deadline - time.monotonic()) > 0:
            self._receive_within(left_s)
        return self._take(len(self._data))

    def close(self) -> None:
        """Leave without a word."""
        self._tell("×", b"closed by the client")
        self.socket.close()

    def _chunks(self, answer: Answer) -> Iterator[bytes]:
        while True:
            line = self._line("a chunk size")
            size = _CHUNK.fullmatch(line)
            if size is None:
                raise ProtocolFault(f"not a chunk size: {shown(line)}\n{self.story}")
            if int(size[1], 16) == 0:
                answer.trailers = self._fields()
                return
            yield from self._exactly(int(size[1], 16))
            if line := self._line("the end of a chunk"):
                raise ProtocolFault(f"a chunk longer than it says: {shown(line)}\n{self.story}")

    def _exactly(self, length: int) -> Iterator[bytes]:
        left = length
        while left:
            if not self._data and not self._receive():
                raise Cut(f"cut off with {left:,} of {length:,} bytes missing\n{self.story}")
            data = self._take(min(left, len(self._data)))
            left -= len(data)
            yield data

    def _fields(self) -> list[tuple[bytes, bytes]]:
        found = []
        while line := self._line("a header"):
            parts = _FIELD.fullmatch(line)
            if parts is None or any(octet in line for octet in b"\r\n\0"):
                raise ProtocolFault(f"not a header: {shown(line)}\n{self.story}")
            found.append((parts[1].lower(), parts[2]))
        return found

    def _line(self, what: str) -> bytes:
        while (end := self._data.find(b"\r\n")) < 0:
            if len(self._data) > MAX_HEAD_BYTES:
                raise ProtocolFault(f"{what} without an end\n{self.story}")
            if not self._receive():
                raise Cut(f"closed before {what}\n{self.story}")
        return self._take(end + 2)[:-2]

    def _take(self, length: int) -> bytes:
        data = bytes(self._data[:length])
        del self._data[:length]
        return data

    def _receive(self) -> bool:
        """Wait for more; False at the end."""
        if self._over:
            return False
        try:
            data = self.socket.recv(READ_BYTES)
        except TimeoutError:
            raise Silent(f"no answer within {self.socket.gettimeout():g} s\n{self.story}") from None
        except (ConnectionError, ssl.SSLError):
            self._over = self._reset = True
            self._tell("×", b"reset by the server")
            return False
        if data:
            self._tell("←", data)
            self._data += data
        else:
            self._over = True
            self._tell("×", b"closed by the server")
        return bool(data)

    def _receive_within(self, left_s: float) -> None:
        """The same, with no fault when nothing comes; TLS may wake a socket with nothing for us in it."""
        patience_s = self.socket.gettimeout()
        self.socket.settimeout(left_s)
        try:
            self._receive()
        except Silent:
            pass
        finally:
            self.socket.settimeout(patience_s)

    def _tell(self, arrow: str, data: bytes) -> None:
        if arrow in "×!" or not self._story or self._story[-1].arrow != arrow:
            self._story.append(_Run(arrow))
        self._story[-1].add(data)


@dataclass
class _Run:
    """Bytes in one direction until the other side speaks; of many only the first and the last are kept."""

    arrow: str
    first: bytes = b""
    last: bytes = b""
    length: int = 0

    def add(self, data: bytes) -> None:
        room = SHOWN_BYTES // 2 - len(self.first)
        self.first += data[:room]
        self.last = (self.last + data[room:])[-SHOWN_BYTES // 2 :]
        self.length += len(data)

    def __str__(self) -> str:
        hidden = self.length - len(self.first) - len(self.last)
        between = f" … {hidden:,} bytes … " if hidden else ""
        return f"{self.arrow} {_escaped(self.first)}{between}{_escaped(self.last)}"


def shown(data: bytes) -> str:
    """Bytes as people read them: control and foreign characters escaped, the middle of long ones left out."""
    run = _Run("")
    run.add(data)
    return str(run).strip()


def _escaped(data: bytes) -> str:
    return repr(data)[2:-1]


def request(target: Target, path: str, *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as it should be, with these header lines after the Host."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {target.authority}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def new_marker() -> str:
    """A name for one request, under which the probe app writes down what it sees."""
    return secrets.token_hex(4)
