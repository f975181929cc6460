"""A connection to the target that takes in what comes while it waits, and keeps a story of both directions."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Self

from harness.check.clients.transcript import Story
from harness.check.model import Finding, ProtocolFault, failed, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.check.target import Target


class Link:
    """A socket; those who inherit say what becomes of the bytes that come."""

    def __init__(self, target: Target, alpn: Sequence[str] = (), *, receive_buffer_bytes: int | None = None) -> None:
        self.target = target
        self.tale = Story()
        self.closed = False
        """Has the server ended the connection?"""
        self.patience_s = target.patience_s
        self.socket = target.connect(alpn, receive_buffer_bytes=receive_buffer_bytes)

    @property
    def story(self) -> str:
        """What went over the connection: → from the client, ← from the server, × its end, ! what else was done."""
        return str(self.tale)

    def finding(self, right: bool, words: str) -> Finding:
        """These words, with the story as evidence."""
        return (passed if right else failed)(f"{words}\n{self.story}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def leave(self) -> None:
        """Close the client's end as well; over TLS, a server may wait for that before it is done."""
        self.socket.close()

    def transmit(
        self, data: bytes, words: str = "", kind: str = "", octets: int = 0, limit_s: float | None = None
    ) -> None:
        """Send bytes as they are; a server that closes its ears meanwhile is no fault yet, its answer tells.

        The time is the target's patience, or the limit for what is large.
        """
        if words:
            self.tale.tell("→", words, kind, octets)
        self.socket.settimeout(self.patience_s if limit_s is None else limit_s)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise ProtocolFault(f"the server stopped reading\n{self.story}") from None
        except (ConnectionError, ssl.SSLError):
            self.tale.tell("×", "closed while the client was sending", "deaf")

    def run_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Take in what comes until the condition holds; False when the connection or the time is over before.

        The time is the target's patience at most.
        """
        return self.work_until(condition, self.patience_s if within_s is None else min(within_s, self.patience_s))

    def work_until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """The same with a time limit of its own, for what takes long although the server is never silent."""
        deadline = time.monotonic() + limit_s
        while not condition():
            left_s = deadline - time.monotonic()
            if self.closed or left_s <= 0:
                return False
            self._receive(left_s)
        return True

    def poll(self) -> None:
        """Take in what is already there."""
        if not self.closed:
            self._receive(0.0005)

    def _receive(self, within_s: float) -> None:
        self.socket.settimeout(within_s)
        try:
            data = self.socket.recv(65_536)
        except TimeoutError:
            return
        except (ConnectionError, ssl.SSLError) as error:
            self.closed = True
            self.tale.tell("×", f"reset by the server: {type(error).__name__}")
            return
        finally:
            self.socket.settimeout(self.patience_s)
        if data:
            self._took(data)
        else:
            self.closed = True
            self.tale.tell("×", "closed by the server")

    def _took(self, data: bytes) -> None:
        """Bytes have come."""
        raise NotImplementedError
