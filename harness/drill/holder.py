"""A process that holds many connections open, apart from the drill: `python -m harness.drill.holder`.

It reads a specification as one line of JSON, opens its connections, and writes how many it has. From then on it sends
or reads as little as the specification says, in turns. For each further line of input it writes how many of its
connections are still open; when its input ends, it closes them and ends.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from contextlib import suppress
from itertools import cycle
from typing import Any

AT_ONCE = 32
"""So many are opened at a time: daphne's queue of those not yet accepted has room for 50."""
ANSWER_S = 5.0
"""The first connection without an answer after this time ends the opening."""
BUFFER_BYTES = 4096
"""The receive buffer of a slow reader, so that the rest of an answer stays with the server."""


class Holder:
    """Connections to one server, which are opened once and not replaced."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self._address = specification["host"], specification["port"]
        self._first = specification["first"].encode("latin-1")
        self._piece = specification["piece"].encode("latin-1")
        self._reads_slowly = specification["reads_slowly"]
        self._answer = specification["answer"].encode("latin-1")
        self._count = specification["count"]
        self.sockets: list[socket.socket] = []
        self._ends = select.poll()

    def open(self) -> str:
        """Open the connections; what prevented some of them, or empty."""
        while (left := self._count - len(self.sockets)) > 0:
            batch: list[socket.socket] = []
            failure = ""
            try:
                batch.extend(self._connect() for _ in range(min(left, AT_ONCE)))
                for each in batch:
                    each.sendall(self._first)
            except OSError as error:
                failure = self._describe(error.strerror or str(error))
            for each in batch:
                failure = failure or self._await_answer(each)
                if failure:
                    each.close()
                else:
                    each.setblocking(False)
                    self.sockets.append(each)
                    self._ends.register(each, select.POLLRDHUP)
            if failure:
                return failure
        return ""

    def _describe(self, found: str) -> str:
        return f"connection {len(self.sockets) + 1:,}: {found}"

    def _connect(self) -> socket.socket:
        made = socket.socket()
        if self._reads_slowly:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        made.settimeout(ANSWER_S)
        made.connect(self._address)
        return made

    def _await_answer(self, each: socket.socket) -> str:
        if not self._answer:
            return ""
        try:
            line = each.recv(65_536).partition(b"\r\n")[0]
        except TimeoutError:
            return self._describe(f"no answer within {ANSWER_S:g} s")
        except OSError as error:
            return self._describe(error.strerror or str(error))
        return "" if self._answer in line else self._describe(line[:80].decode("latin-1") or "closed without an answer")

    def count_open(self) -> int:
        """How many connections the server has not closed."""
        return len(self.sockets) - len(self._ends.poll(0))

    def serve(self) -> None:
        """Send or read a little on each connection once a second, and count on request, until the input ends."""
        turns = cycle(self.sockets) if self._piece or self._reads_slowly else None
        gap_s = 1 / max(1, len(self.sockets))
        due_s = time.monotonic()
        while True:
            wait_s = max(0.0, due_s - time.monotonic()) if turns else None
            if select.select([sys.stdin], [], [], wait_s)[0]:
                if not sys.stdin.buffer.readline():
                    return
                print(self.count_open(), flush=True)
            elif turns:
                due_s += gap_s
                with suppress(OSError):  # the server has closed it, or has sent nothing
                    self._take_turn(next(turns))

    def _take_turn(self, each: socket.socket) -> None:
        if self._reads_slowly:
            each.recv(1)
        else:
            each.send(self._piece)


def _hold(specification: dict[str, Any]) -> None:
    holder = Holder(specification)
    failure = holder.open()
    print(json.dumps({"opened": len(holder.sockets), "failure": failure}), flush=True)
    holder.serve()


if __name__ == "__main__":
    _hold(json.loads(sys.stdin.buffer.readline()))
