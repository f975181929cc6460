"""The connection under all clients: sends, receives with a timeout, and keeps a transcript of both directions."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Self

from harness.check.clients.transcript import Transcript
from harness.check.model import Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.target import Target

READ_BYTES = 65_536


class Cut(ProtocolFault):
    """The connection ended before the response did."""


class Silent(ProtocolFault):
    """The server did nothing until the timeout."""


class Connection:
    """A connection to the target; subclasses parse what is received, in `_received`."""

    def __init__(self, target: Target, alpn: Sequence[str] = (), *, receive_buffer_bytes: int | None = None) -> None:
        self.target = target
        self.transcript = Transcript()
        self.closed = False
        """Has the server ended the connection?"""
        self.was_reset = False
        """Was that end a reset? It may have destroyed data on their way to the client."""
        self.timeout_s = target.timeout_s
        self.socket = target.connect(alpn, receive_buffer_bytes=receive_buffer_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def close(self) -> None:
        """Close the client's side; over TLS a server may wait for that before it ends."""
        self.remark("closed by the client", "×")
        self.socket.close()

    def remark(self, words: str, arrow: str = "!") -> None:
        """Add a line to the transcript for what happened beside the connection."""
        self.transcript.add(arrow, words)

    def finding(self, right: bool, words: str) -> Finding:
        """Passed or failed, with these words and the transcript as evidence."""
        return self.passed(words) if right else self.failed(words)

    def passed(self, words: str, value: str = "") -> Finding:
        """Passed, with these words and the transcript as evidence."""
        return passed(f"{words}\n{self.transcript}", value)

    def failed(self, words: str) -> Finding:
        """Failed, with these words and the transcript as evidence."""
        return failed(f"{words}\n{self.transcript}")

    def fault(self, words: str, kind: type[ProtocolFault] = ProtocolFault) -> ProtocolFault:
        """An exception with these words and the transcript as evidence."""
        return kind(f"{words}\n{self.transcript}")

    def transmit(self, data: bytes, timeout_s: float | None = None) -> None:
        """Send all bytes; raises `Silent` if the server stops reading.

        A server that closes the connection meanwhile is not at fault yet: its response decides.
        """
        self.socket.settimeout(self.timeout_s if timeout_s is None else timeout_s)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise self.fault("the server stopped reading", Silent) from None
        except (ConnectionError, ssl.SSLError):
            self.transcript.add("×", "closed while the client was sending", "closed while sending")

    def push(self, data: bytes, most: int, silence_s: float) -> tuple[int, bool]:
        """Send the same data again and again, `most` bytes in total, until the server takes none for `silence_s`.

        Returns how many bytes the server took, and whether it closed the connection.
        """
        self.socket.settimeout(silence_s)
        sent = 0
        try:
            while sent < most:
                sent += self.socket.send(data[sent % len(data) :][: most - sent])
        except TimeoutError:
            return sent, False
        except (ConnectionError, ssl.SSLError):
            return sent, True
        return sent, False

    def run_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Receive until the condition holds; False if the connection ends or the time is up before that.

        The time is the timeout of the connection at most.
        """
        return self.work_until(condition, self.timeout_s if within_s is None else min(within_s, self.timeout_s))

    def work_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Receive until the condition holds, as `run_until`, for work that may take longer than the timeout."""
        deadline = time.monotonic() + within_s
        while not condition():
            left_s = deadline - time.monotonic()
            if self.closed or left_s <= 0:
                return False
            self._receive(left_s)
        return True

    def poll(self) -> None:
        """Receive what has already arrived."""
        if not self.closed:
            self._receive(0.0005)

    def _receive(self, within_s: float) -> None:
        self.socket.settimeout(within_s)
        try:
            data = self.socket.recv(READ_BYTES)
        except TimeoutError:
            return
        except (ConnectionError, ssl.SSLError) as error:
            self.closed = self.was_reset = True
            self.remark(f"reset by the server: {type(error).__name__}", "×")
            return
        if data:
            self._received(data)
        else:
            self.closed = True
            self.remark("closed by the server", "×")

    def _received(self, data: bytes) -> None:
        raise NotImplementedError
